//! Sending events: signed webhooks and mails, and secrets at rest.

mod mail;
mod seal;
mod webhook;

pub(crate) use seal::Seal;

use crate::app::App;
use jiff::Timestamp;
use refit_protocol::v1::{ChannelTarget, EventKind, Finding};
use refit_store::notify::{ChannelRow, EventRow};
use serde::Serialize;

/// Why a try failed.
pub(crate) struct Fault {
    pub(crate) problem: String,
    /// The other side said that it wants nothing more.
    pub(crate) gone: bool,
}

impl Fault {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), gone: false }
    }
}

/// What a webhook gets as its body.
#[derive(Serialize)]
struct Payload<'a> {
    r#type: EventKind,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    event: &'a str,
    text: Vec<String>,
    findings: &'a [Finding],
}

/// One try.
pub(crate) async fn send(app: &App, channel: &ChannelRow, event: &EventRow) -> Result<(), Fault> {
    let secret = app.seal.unseal(&channel.secret).map_err(Fault::new)?;
    match &channel.target {
        ChannelTarget::Webhook { url } => {
            let text = event.findings.iter().map(ToString::to_string).collect();
            let data = Data { event: &event.id, text, findings: &event.findings };
            let payload = Payload { r#type: event.kind, timestamp: event.at, data };
            let body =
                serde_json::to_vec(&payload).map_err(|error| Fault::new(error.to_string()))?;
            webhook::post(url, &event.id, app.now(), &secret, body).await
        }
        ChannelTarget::Mail { .. } => mail::send(&channel.target, &secret, channel, event).await,
    }
}

/// What is wrong with a channel before anything is sent, if something is.
pub(crate) fn check(target: &ChannelTarget, password: Option<&str>) -> Result<(), String> {
    match target {
        ChannelTarget::Webhook { .. } if password.is_some() => {
            Err("a webhook has no password: its secret is made here".to_owned())
        }
        ChannelTarget::Webhook { url } => webhook::check(url),
        ChannelTarget::Mail { .. } => mail::check(target, password),
    }
}

/// A new secret for webhooks.
pub(crate) fn new_secret(app: &App) -> String {
    let mut bytes = [0; 32];
    app.ambient.entropy.fill(&mut bytes);
    webhook::secret_text(&bytes)
}
