//! `refit signoff export`.

use crate::{CliError, Exit, context::Context, output::table};
use refit_client::ApiClient;
use refit_names::{Digest, RolloutName};
use refit_protocol::v1::{CertificateState, CertificateView};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};
use tokio::task::JoinSet;

/// Certificates that are fetched at the same time: a draft's pages are set while we wait, which keeps a processor busy.
const PARALLEL: usize = 4;

/// The name of the file with the public key.
pub(super) const KEY_FILE: &str = "signoff.pub.pem";

/// What was written.
#[derive(Serialize)]
struct Exported {
    folder: PathBuf,
    key: PathBuf,
    certificates: Vec<ExportedOne>,
}

#[derive(Serialize)]
struct ExportedOne {
    name: String,
    host: String,
    state: CertificateState,
    missing: String,
    evidence: Digest,
    json: PathBuf,
    pdf: PathBuf,
}

/// Runs it. Every final certificate is checked with the key that is written beside it.
pub(super) async fn run(
    context: &Context,
    rollout: &RolloutName,
    out: &Path,
) -> Result<Exit, CliError> {
    let api = Arc::new(context.api()?);
    let views = api.certificates(rollout).await?;
    let pem = api.signing_key().await?;
    fs::create_dir_all(out).map_err(|source| CliError::io("make", out.display(), source))?;
    let key = out.join(KEY_FILE);
    write(&key, pem.as_bytes())?;
    let certificates = fetch(&api, rollout, out, &pem, views).await?;
    let pending = certificates.iter().filter(|one| one.state != CertificateState::Final).count();
    let exported = Exported { folder: out.to_owned(), key, certificates };
    context.output.data(&exported, people)?;
    if pending > 0 {
        context
            .output
            .say(&format!("{pending} of these are not final yet: signatures are missing"));
        return Ok(Exit::ChangesPending);
    }
    Ok(Exit::Done)
}

/// Fetches and writes all, a few at a time, and gives them in the order of `views`.
async fn fetch(
    api: &Arc<ApiClient>,
    rollout: &RolloutName,
    out: &Path,
    pem: &str,
    views: Vec<CertificateView>,
) -> Result<Vec<ExportedOne>, CliError> {
    let mut done = Vec::new();
    let mut tasks = JoinSet::new();
    for (place, view) in views.into_iter().enumerate() {
        if tasks.len() >= PARALLEL {
            done.extend(next(&mut tasks).await?);
        }
        let (api, rollout, out, pem) =
            (api.clone(), rollout.clone(), out.to_owned(), pem.to_owned());
        tasks.spawn(
            async move { one(&api, &rollout, &out, &pem, view).await.map(|one| (place, one)) },
        );
    }
    while let Some(one) = next(&mut tasks).await? {
        done.push(one);
    }
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}

type Tasks = JoinSet<Result<(usize, ExportedOne), CliError>>;

async fn next(tasks: &mut Tasks) -> Result<Option<(usize, ExportedOne)>, CliError> {
    match tasks.join_next().await {
        None => Ok(None),
        Some(Ok(result)) => result.map(Some),
        Some(Err(error)) => Err(CliError::io("fetch", "a certificate", io::Error::other(error))),
    }
}

async fn one(
    api: &ApiClient,
    rollout: &RolloutName,
    out: &Path,
    pem: &str,
    view: CertificateView,
) -> Result<ExportedOne, CliError> {
    let name = file_name(&view.name)?;
    let envelope = api.certificate_json(rollout, &view.host).await?;
    let json = out.join(format!("{name}.json"));
    if view.state == CertificateState::Final {
        refit_documents::verify(&envelope, pem)
            .map_err(|error| super::verify::refused(&json, &error))?;
    }
    let pdf = out.join(format!("{name}.pdf"));
    write(&pdf, &api.certificate_pdf(rollout, &view.host).await?)?;
    write(&json, &envelope)?;
    Ok(ExportedOne {
        missing: super::missing(&view),
        name: view.name,
        host: view.host.to_string(),
        state: view.state,
        evidence: view.evidence,
        json,
        pdf,
    })
}

/// A name that the server gave must stay inside the folder.
pub(super) fn file_name(name: &str) -> Result<&str, CliError> {
    if name.is_empty()
        || name.starts_with('.')
        || name.contains(|c: char| c == '/' || c.is_control())
    {
        let text = format!(
            "certificate name {name:?} is not a file name, expected `SITE - SERVER - DATE`"
        );
        return Err(CliError::new("certificate.other-statement", Exit::NotVerified, text));
    }
    Ok(name)
}

/// Writes the whole file or nothing: an export that was cut off leaves no half certificate.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let wrong = |source| CliError::io("write", path.display(), source);
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes).map_err(wrong)?;
    fs::rename(&partial, path).map_err(wrong)
}

fn people(exported: &Exported) -> String {
    let rows = exported.certificates.iter().map(|one| {
        let state = match one.state {
            CertificateState::Draft => "draft",
            CertificateState::PartlySigned => "partly signed",
            CertificateState::Final => "final",
        };
        [one.name.clone(), state.to_owned(), one.missing.clone(), one.pdf.display().to_string()]
    });
    table(["certificate", "state", "missing", "pages"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_leaves_the_folder_is_refused() {
        for name in ["", "../x", "a/b", ".hidden", "a\nb"] {
            assert!(file_name(name).is_err(), "{name:?} was accepted");
        }
        assert!(file_name("north - web-1 - 2026-11-21").is_ok());
    }
}
