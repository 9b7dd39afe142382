//! From nothing to one file: example, key, build.

use super::{BuildArgs, InitArgs, KeygenArgs, example, refused};
use crate::{CliError, Exit, context::Context};
use refit_forge::{
    ForgeError, OldBuild,
    key::SigningKey,
    pack, pack_file,
    survey::{Survey, survey},
};
use serde_json::json;
use std::{fs, path::Path};

pub(super) fn init(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
    let folder = &args.folder;
    let written = |path: &Path, error| CliError::io("write", path.display(), error);
    fs::create_dir_all(folder).map_err(|error| written(folder, error))?;
    if fs::read_dir(folder)
        .map_err(|error| CliError::io("read", folder.display(), error))?
        .next()
        .is_some()
    {
        return Err(CliError::from(ForgeError::Exists { path: folder.clone() }));
    }
    let mut files = Vec::new();
    for file in start(args) {
        let path = folder.join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| written(parent, error))?;
        }
        fs::write(&path, file.text).map_err(|error| written(&path, error))?;
        if file.is_program {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).map_err(|error| written(&path, error))?;
        }
        files.push(file.path);
    }
    context.output.data(&json!({ "folder": folder, "files": files }), |_| {
        files.iter().map(|file| format!("{}\n", folder.join(file).display())).collect()
    })?;
    let first = args.runbook.map_or("", super::shipped::Shipped::advice);
    context
        .output
        .say(&format!("next: {first}refit pack lint {0}; refit pack build {0}", folder.display()));
    Ok(Exit::Done)
}

/// The files of a new folder: the example, or those around a shipped runbook.
fn start(args: &InitArgs) -> Vec<example::ExampleFile> {
    let Some(shipped) = args.runbook else { return example::files(&args.product) };
    let mut files = shipped.files(&args.product);
    if !files.iter().any(|file| file.path.starts_with("payload/")) {
        let example = example::files(&args.product);
        files.extend(example.into_iter().filter(|file| file.path.starts_with("payload/")));
    }
    files.extend(example::pages(&args.product));
    files
}

pub(super) fn keygen(args: &KeygenArgs, context: &Context) -> Result<Exit, CliError> {
    let public_path = args.out.with_extension("pub.pem");
    if public_path.exists() {
        return Err(CliError::from(ForgeError::Exists { path: public_path }));
    }
    let public = SigningKey::create(&args.out).map_err(refused)?.public();
    fs::write(&public_path, public.to_pem())
        .map_err(|error| CliError::io("write", public_path.display(), error))?;
    let data = json!({ "private": args.out, "public": public_path, "key": public.to_string() });
    context.output.data(&data, |_| {
        format!(
            "private {}\npublic  {}\nkey     {public}",
            args.out.display(),
            public_path.display()
        )
    })?;
    Ok(Exit::Done)
}

pub(super) fn build(args: &BuildArgs, context: &Context) -> Result<Exit, CliError> {
    let key = args.key.as_deref().map(SigningKey::read).transpose().map_err(refused)?;
    let found = survey(&args.folder).map_err(refused)?;
    if !found.faults.is_empty() {
        return Err(unfit(&args.folder, &found));
    }
    let old = older(args, context)?;
    let built = pack::build_against(&args.folder, &old).map_err(refused)?;
    if args.dry_run {
        let file = built.file_name();
        let data = json!({ "file": file, "record": built.record_digest(), "size": built.record().bundle.size, "advice": found.advice });
        context.output.data(&data, |_| format!("{}  {file}", built.record_digest()))?;
        context.output.say("nothing was written");
        return Ok(Exit::ChangesPending);
    }
    let path = match args.out.extension() {
        Some(extension) if extension == "refit" => args.out.clone(),
        _ => {
            fs::create_dir_all(&args.out)
                .map_err(|error| CliError::io("create", args.out.display(), error))?;
            args.out.join(built.file_name())
        }
    };
    let digest = pack_file::write(&built, &path, key.as_ref()).map_err(refused)?;
    let signer = key.map(|key| key.public().to_string());
    let data = json!({
        "file": path, "sha256": digest.to_hex(), "record": built.record_digest(), "size": built.record().bundle.size, "signer": signer,
        "advice": found.advice.len(),
    });
    context.output.data(&data, |_| format!("{}  {}", digest.to_hex(), path.display()))?;
    let size = built.record().bundle.size;
    let by = signer.map_or_else(|| "not signed".to_owned(), |signer| format!("signed by {signer}"));
    context
        .output
        .say(&format!("{} chunks, {size} compressed, {by}", built.record().bundle.chunks.len()));
    if !found.advice.is_empty() {
        let pieces = refit_names::counted(found.advice.len(), "piece");
        context.output.say(&format!("{pieces} of advice: refit pack lint"));
    }
    Ok(Exit::Done)
}

/// What deltas are made from: each build once, what was named before what the repository has.
fn older(args: &BuildArgs, context: &Context) -> Result<Vec<OldBuild>, CliError> {
    let mut old = Vec::new();
    for path in &args.against {
        old.push(OldBuild::open(path).map_err(refused)?);
    }
    if let Some(repository) = &args.against_repository {
        let mut there = pack::older_in(&args.folder, repository).map_err(refused)?;
        there.retain(|there| old.iter().all(|named| named.build() != there.build()));
        if there.is_empty() && old.is_empty() {
            let at = repository.display();
            context.output.say(&format!("{at} has no build that this pack can follow: no deltas"));
        }
        old.extend(there);
    }
    Ok(old)
}

/// All faults of a folder as one error.
pub(super) fn unfit(folder: &Path, found: &Survey) -> CliError {
    let code = found.faults.first().map_or("pack.unfit-tree", |fault| fault.code);
    let faults = refit_names::counted(found.faults.len(), "fault");
    let text = format!("{} cannot be built: {faults}", folder.display());
    let details = found.faults.iter().map(ToString::to_string).collect();
    CliError::new(code, Exit::Failed, text).with_details(details)
}
