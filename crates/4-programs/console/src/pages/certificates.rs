//! Certificates of all rollouts, as PDF and signed JSON.

use super::{frame, names};
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::words;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{CertificateState, CertificateView};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "certificates.html")]
struct CertificatesPage {
    frame: Frame,
    rollouts: Vec<(String, Vec<Line>)>,
}

struct Line {
    name: String,
    host: String,
    state: String,
    tone: &'static str,
    signed: Vec<String>,
    missing: String,
    evidence: String,
    short: String,
}

/// `GET /certificates`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
) -> Result<Response, Refusal> {
    let mut rollouts = Vec::new();
    // A rollout without a plan has no hosts, and so no certificates to ask for.
    let planned = console.source.rollouts().await?.into_iter().filter(|view| view.plan.is_some());
    for view in planned {
        let certificates = console.source.certificates(&view.name).await?;
        if !certificates.is_empty() {
            rollouts.push((view.name.to_string(), certificates.iter().map(line).collect()));
        }
    }
    Ok(reply::html(&CertificatesPage {
        frame: frame(&person, "certificates", "Certificates"),
        rollouts,
    }))
}

fn line(view: &CertificateView) -> Line {
    let signed = view.signatures.iter().map(|signed| {
        let remark =
            if signed.remark.is_empty() { String::new() } else { format!(": {}", signed.remark) };
        format!("{} as {}{remark}", signed.person, words::wire(&signed.party))
    });
    let hex = view.evidence.to_hex();
    Line {
        name: view.name.clone(),
        host: view.host.to_string(),
        state: words::wire(&view.state),
        tone: match view.state {
            CertificateState::Draft => "idle",
            CertificateState::PartlySigned => "warn",
            CertificateState::Final => "good",
        },
        signed: signed.collect(),
        missing: view.missing.iter().map(words::wire).collect::<Vec<_>>().join(", "),
        evidence: view.evidence.to_string(),
        short: hex.get(..16).unwrap_or_default().to_owned(),
    }
}

/// `GET /rollouts/{name}/hosts/{host}/certificate.json`.
pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (rollout, host) = names(path)?;
    let bytes = console.source.certificate_json(&rollout, &host).await?;
    let name = file_name(&console, &rollout, &host).await?;
    Ok(reply::download("application/json", &format!("{name}.json"), bytes))
}

/// `GET /rollouts/{name}/hosts/{host}/certificate.pdf`.
pub(crate) async fn pdf(
    State(console): State<Arc<Console>>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (rollout, host) = names(path)?;
    let bytes = console.source.certificate_pdf(&rollout, &host).await?;
    let name = file_name(&console, &rollout, &host).await?;
    Ok(reply::download("application/pdf", &format!("{name}.pdf"), bytes))
}

/// `GET /signoff.pub.pem`.
pub(crate) async fn key(State(console): State<Arc<Console>>) -> Result<Response, Refusal> {
    let pem = console.source.signing_key().await?;
    Ok(reply::download("application/x-pem-file", "signoff.pub.pem", pem.into_bytes()))
}

async fn file_name(
    console: &Console,
    rollout: &RolloutName,
    host: &HostName,
) -> Result<String, Refusal> {
    let all = console.source.certificates(rollout).await?;
    Ok(all
        .into_iter()
        .find(|view| view.host == *host)
        .map_or_else(|| host.to_string(), |view| view.name))
}
