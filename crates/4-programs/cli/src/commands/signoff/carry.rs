//! `refit signoff export --all` and `refit signoff import`: evidence on its way between sites.
//!
//! ```text
//! DIR/evidence.json          name, size and SHA-256 of every file
//! DIR/signoff.pub.pem        the key of the site that it comes from; the receiver has it from another source
//! DIR/ROLLOUT/NAME.json,pdf  the final certificates of each rollout
//! ```

use super::export::{self, KEY_FILE, file_name, write};
use crate::{CliError, Exit, context::Context, context::text, output::table};
use refit_names::{RolloutName, counted};
use refit_protocol::v1::CertificateState;
use refit_repository::medium::{MediumFile, listed};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The value of `format` in a list that this code understands.
const EVIDENCE_FORMAT: &str = "refit.evidence/1";
/// The list's name.
const EVIDENCE_FILE: &str = "evidence.json";

/// What is on its way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    format: String,
    made_at: jiff::Timestamp,
    files: Vec<MediumFile>,
}

/// What an import did.
#[derive(Serialize)]
struct Imported {
    into: PathBuf,
    certificates: Vec<Carried>,
    copied: usize,
    kept: usize,
}

#[derive(Serialize)]
struct Carried {
    rollout: String,
    name: String,
    host: String,
    outcome: String,
    evidence: refit_names::Digest,
}

/// Writes the final certificates of all rollouts.
pub(super) async fn export_all(context: &Context, out: &Path) -> Result<Exit, CliError> {
    let api = context.api()?;
    let pem = api.signing_key().await?;
    fs::create_dir_all(out).map_err(|source| CliError::io("make", out.display(), source))?;
    let (mut rows, mut open) = (Vec::new(), 0);
    for rollout in api.rollouts().await? {
        let folder = out.join(rollout.name.as_str());
        for view in api.certificates(&rollout.name).await? {
            if view.state != CertificateState::Final {
                open += 1;
                continue;
            }
            fs::create_dir_all(&folder)
                .map_err(|source| CliError::io("make", folder.display(), source))?;
            let name = file_name(&view.name)?;
            let envelope = api.certificate_json(&rollout.name, &view.host).await?;
            let json = folder.join(format!("{name}.json"));
            refit_documents::verify(&envelope, &pem)
                .map_err(|error| super::verify::refused(&json, &error))?;
            let pdf = api.certificate_pdf(&rollout.name, &view.host).await?;
            write(&folder.join(format!("{name}.pdf")), &pdf)?;
            write(&json, &envelope)?;
            rows.push([rollout.name.to_string(), view.name.clone(), view.host.to_string()]);
        }
    }
    write(&out.join(KEY_FILE), pem.as_bytes())?;
    let files = listed::list(out, EVIDENCE_FILE)
        .map_err(|source| CliError::io("read", out.display(), source))?;
    let made_at = context.ambient.clock.now();
    let evidence = Evidence { format: EVIDENCE_FORMAT.to_owned(), made_at, files };
    let json = serde_json::to_vec_pretty(&evidence)
        .map_err(|error| CliError::io("write", EVIDENCE_FILE, io::Error::other(error)))?;
    write(&out.join(EVIDENCE_FILE), &json)?;
    context.output.data(&evidence, |_| table(["rollout", "certificate", "host"], rows))?;
    if open > 0 {
        context.output.say(&format!("{open} certificates are not final yet and stay here"));
    }
    Ok(Exit::Done)
}

/// Verifies what came from another site and keeps it.
pub(super) fn import(
    context: &Context,
    dir: &Path,
    key: &Path,
    into: &Path,
    dry_run: bool,
) -> Result<Exit, CliError> {
    let pem = text(key)?;
    let evidence = read(dir)?;
    let failed = |source| CliError::io("read", dir.display(), source);
    let mut faults = listed::faults(dir, &evidence.files, EVIDENCE_FILE).map_err(failed)?;
    let mut certificates = Vec::new();
    if faults.is_empty() {
        for file in evidence.files.iter().filter(|file| file.name.ends_with(".json")) {
            match certificate(dir, file, &pem) {
                Ok(carried) => certificates.push(carried),
                Err(error) => faults.push(error.text),
            }
        }
    }
    if !faults.is_empty() {
        let text = format!(
            "evidence in {} has {}, nothing was copied",
            dir.display(),
            counted(faults.len(), "fault")
        );
        return Err(
            CliError::new("signoff.evidence-damaged", Exit::NotVerified, text).with_details(faults)
        );
    }
    let (mut copied, mut kept) = (0, 0);
    if !dry_run {
        for file in &evidence.files {
            if keep(dir, into, file)? { copied += 1 } else { kept += 1 }
        }
    }
    let done = Imported { into: into.to_owned(), certificates, copied, kept };
    context.output.data(&done, |done| {
        let rows = done.certificates.iter().map(|one| {
            [one.rollout.clone(), one.name.clone(), one.host.clone(), one.outcome.clone()]
        });
        table(["rollout", "certificate", "host", "outcome"], rows.collect())
    })?;
    context.output.say(&match dry_run {
        true => "the evidence holds; nothing was copied".to_owned(),
        false => format!("{copied} files copied, {kept} were there already"),
    });
    Ok(Exit::Done)
}

fn read(dir: &Path) -> Result<Evidence, CliError> {
    let path = dir.join(EVIDENCE_FILE);
    let damaged = |what: String| {
        let text = format!("{} is no list of evidence: {what}", path.display());
        CliError::new("signoff.evidence-damaged", Exit::NotVerified, text)
    };
    let evidence: Evidence =
        serde_json::from_str(&text(&path)?).map_err(|error| damaged(error.to_string()))?;
    if evidence.format != EVIDENCE_FORMAT {
        let found = &evidence.format;
        return Err(damaged(format!("format is `{found}`, expected `{EVIDENCE_FORMAT}`")));
    }
    Ok(evidence)
}

fn certificate(dir: &Path, file: &MediumFile, pem: &str) -> Result<Carried, CliError> {
    let path = dir.join(&file.name);
    let envelope = super::verify::read(&path)?;
    let found = refit_documents::verify(&envelope, pem)
        .map_err(|error| super::verify::refused(Path::new(&file.name), &error))?;
    let run = &found.certificate.evidence;
    Ok(Carried {
        rollout: run.rollout.to_string(),
        host: found.subject.clone(),
        outcome: format!("{} → {}", run.run.build_before, run.run.build_after),
        name: found.name,
        evidence: found.evidence,
    })
}

/// Copies a file that is not there; true when it was. Another file under the same name is never overwritten.
fn keep(dir: &Path, into: &Path, file: &MediumFile) -> Result<bool, CliError> {
    let (from, to) = (dir.join(&file.name), into.join(&file.name));
    let bytes = fs::read(&from).map_err(|source| CliError::io("read", from.display(), source))?;
    match fs::read(&to) {
        Ok(there) if there == bytes => return Ok(false),
        Ok(_) => {
            let text = format!("{} is another file already; it stays", to.display());
            return Err(CliError::new("signoff.evidence-differs", Exit::Blocked, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(CliError::io("read", to.display(), source)),
    }
    let folder = to.parent().unwrap_or(into);
    fs::create_dir_all(folder).map_err(|source| CliError::io("make", folder.display(), source))?;
    write(&to, &bytes)?;
    Ok(true)
}

/// Which rollouts.
pub(super) async fn export_one_or_all(
    context: &Context,
    rollout: Option<&RolloutName>,
    out: &Path,
) -> Result<Exit, CliError> {
    match rollout {
        Some(rollout) => export::run(context, rollout, out).await,
        None => export_all(context, out).await,
    }
}
