//! `refit pack`: make, build, look at and verify service packs.

mod example;

use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_forge::{
    ForgeError, PackFile,
    key::{PublicKey, SigningKey},
    pack, pack_file,
};
use refit_names::ProductName;
use refit_packs::record::{PackRecord, TreeEntry, TreeNode};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `refit pack`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit pack init ./hello\n  refit pack keygen --out signer.der\n  refit pack build ./hello --out . --key signer.der\n  refit pack verify hello-1100.refit --key signer.pub.pem"
)]
pub(crate) struct PackArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes a folder with a commented example that builds
    Init(InitArgs),
    /// Makes a key that signs packs: FILE and its public half beside it
    Keygen(KeygenArgs),
    /// Builds the folder's pack as one file, NAME-BUILD.refit
    Build(BuildArgs),
    /// Shows what a pack says: manifest, sizes, steps
    Inspect(FileArgs),
    /// Proves that every byte is what was built, and who signed it
    Verify(VerifyArgs),
    /// Prints a pack's read-me
    Readme(FileArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// The folder; must be new or empty
    folder: PathBuf,
    /// The product's name
    #[arg(long, default_value = "hello", value_parser = parse_product)]
    product: ProductName,
}

#[derive(Debug, Args)]
struct KeygenArgs {
    /// The private key's file (PKCS#8 DER, readable by its owner only); the public key gets the ending .pub.pem
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// The folder with pack.yaml
    folder: PathBuf,
    /// The folder for the pack, or the file itself if the name ends in .refit
    #[arg(long, default_value = ".", value_name = "PATH")]
    out: PathBuf,
    /// Private key that signs the pack
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The pack
    file: PathBuf,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The pack
    file: PathBuf,
    /// Public key (PEM or 64 hexadecimal digits) that must have signed it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

fn parse_product(text: &str) -> Result<ProductName, String> {
    ProductName::parse(text).map_err(|error| error.to_string())
}

/// Runs it.
pub(crate) async fn run(args: PackArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Init(args) => init(&args, context),
        Verb::Keygen(args) => keygen(&args, context),
        Verb::Build(args) => build(&args, context),
        Verb::Inspect(args) => inspect(&args, context),
        Verb::Verify(args) => verify(&args, context),
        Verb::Readme(args) => {
            let file = PackFile::read(&args.file).map_err(refused)?;
            context.output.data(&json!({ "readme": file.record().readme }), |_| {
                file.record().readme.clone()
            })?;
            Ok(Exit::Done)
        }
    }
}

/// An error about what was signed or built ends with the exit code for that, whatever its code is called; so does a missing file.
pub(super) fn refused(error: ForgeError) -> CliError {
    let exit = match &error {
        error if error.is_verification() => Some(Exit::NotVerified),
        ForgeError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Some(Exit::NotFound)
        }
        _ => None,
    };
    let mut error = CliError::from(error);
    error.exit = exit.unwrap_or(error.exit);
    error
}

fn init(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
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
    for file in example::files(&args.product) {
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
    context.output.say(&format!("next: refit pack build {} --out .", folder.display()));
    Ok(Exit::Done)
}

fn keygen(args: &KeygenArgs, context: &Context) -> Result<Exit, CliError> {
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

fn build(args: &BuildArgs, context: &Context) -> Result<Exit, CliError> {
    let key = args.key.as_deref().map(SigningKey::read).transpose().map_err(refused)?;
    let built = pack::build(&args.folder).map_err(refused)?;
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
    });
    context.output.data(&data, |_| format!("{}  {}", digest.to_hex(), path.display()))?;
    let size = built.record().bundle.size;
    let by = signer.map_or_else(|| "not signed".to_owned(), |signer| format!("signed by {signer}"));
    context
        .output
        .say(&format!("{} chunks, {size} compressed, {by}", built.record().bundle.chunks.len()));
    Ok(Exit::Done)
}

fn verify(args: &VerifyArgs, context: &Context) -> Result<Exit, CliError> {
    let key = args.key.as_deref().map(PublicKey::read).transpose().map_err(refused)?;
    let verified =
        PackFile::read(&args.file).and_then(|file| file.verify(key.as_ref())).map_err(refused)?;
    let signer = verified.signer.map(|signer| signer.to_string());
    let data = json!({ "file": args.file, "sha256": verified.file.to_hex(), "record": verified.record, "signer": signer });
    context
        .output
        .data(&data, |_| format!("{}  {}", verified.file.to_hex(), args.file.display()))?;
    context.output.say(&match signer {
        Some(signer) if key.is_some() => format!("whole, signed by {signer}"),
        Some(signer) => {
            format!("whole, signed by {signer} (give --key to prove that this is who you think)")
        }
        None => "whole, not signed".to_owned(),
    });
    Ok(Exit::Done)
}

fn inspect(args: &FileArgs, context: &Context) -> Result<Exit, CliError> {
    let file = PackFile::read(&args.file).map_err(refused)?;
    let record = file.record();
    let content = |entries: &[TreeEntry]| -> Value {
        let (files, bytes) = count(entries);
        json!({ "entries": entries.len(), "files": files, "bytes": bytes })
    };
    let data = json!({
        "manifest": record.manifest,
        "runbook": record.runbook,
        "payload": content(&record.payload),
        "web": content(&record.web),
        "bundle": { "target": record.bundle.target, "size": record.bundle.size, "digest": record.bundle.digest, "chunks": record.bundle.chunks.len() },
        "record": refit_names::Digest::of(file.record_json()),
        "signer": file.signer().map(|signer| signer.to_string()),
    });
    context.output.data(&data, |_| describe(&file, record))?;
    Ok(Exit::Done)
}

fn count(entries: &[TreeEntry]) -> (u64, u64) {
    entries.iter().fold((0, 0), |(files, bytes), entry| match &entry.node {
        TreeNode::File { size, .. } => (files + 1, bytes + size.0),
        _ => (files, bytes),
    })
}

fn describe(file: &PackFile, record: &PackRecord) -> String {
    let manifest = &record.manifest;
    let from: Vec<&str> = manifest.from.iter().map(refit_names::BuildId::as_str).collect();
    let (files, bytes) = count(&record.payload);
    let mut lines = vec![
        format!("{} {} - {}", manifest.product, manifest.to, manifest.title),
        format!("upgrades   {}", from.join(", ")),
        format!("payload    {files} files, {}", refit_names::ByteSize(bytes)),
        format!(
            "transfer   {} at most, in {} chunks",
            record.bundle.size,
            record.bundle.chunks.len()
        ),
        format!("web        {} files", count(&record.web).0),
        format!("record     {}", refit_names::Digest::of(file.record_json())),
        format!(
            "signer     {}",
            file.signer().map_or_else(|| "none".to_owned(), |signer| signer.to_string())
        ),
        format!("runbook    {} version {}", record.runbook.name, record.runbook.version),
    ];
    lines.extend(
        manifest.blocked.iter().map(|(build, reason)| format!("blocked    {build}: {reason}")),
    );
    lines.extend(
        manifest
            .known_issues
            .iter()
            .map(|issue| format!("known      {}: {}", issue.id, issue.text)),
    );
    let steps = record.runbook.steps.iter().map(|step| {
        [
            format!("{:?}", step.phase).to_lowercase(),
            step.id.to_string(),
            step.kind.name().to_owned(),
        ]
    });
    format!("{}\n\n{}", lines.join("\n"), table(["phase", "step", "does"], steps.collect()))
}
