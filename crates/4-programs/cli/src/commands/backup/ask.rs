//! Requests to hosts, and waiting for their end.

use super::{Of, Wait, find};
use crate::{CliError, Exit, context::Context};
use refit_client::ApiClient;
use refit_names::HostName;
use refit_protocol::{
    backup::{BackupDeed, BackupDone},
    v1::NewBackupRequest,
};
use serde_json::json;
use std::time::Duration;

/// Between two looks while waiting: a host says what it does about as often.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn run(
    of: Of,
    quiesce: bool,
    wait: Wait,
    context: &Context,
) -> Result<Exit, CliError> {
    ask(of, BackupDeed::Run { quiesce }, wait, context).await
}

pub(super) async fn verify(
    of: Of,
    backup: String,
    scratch: bool,
    wait: Wait,
    context: &Context,
) -> Result<Exit, CliError> {
    ask(of, BackupDeed::Verify { backup, scratch }, wait, context).await
}

pub(super) async fn restore(
    of: Of,
    (backup, release_as_it_is): (String, bool),
    yes: bool,
    wait: Wait,
    context: &Context,
) -> Result<Exit, CliError> {
    let host = context.api()?.host_backups(&of.host).await?;
    let view = find(&host, &of, &backup)?;
    if !yes {
        let question = format!(
            "restore {} of {} on host {} (build {})? The product stops; files and databases go back to that moment, and what is there now is kept aside.",
            view.id, view.taken_at, of.host, view.build
        );
        if !context.output.can_ask() {
            return Err(CliError::usage("a restore takes a product back in time: give --yes"));
        }
        if !context.output.ask(&question)? {
            return Err(CliError::new(
                "backup.not-confirmed",
                Exit::Failed,
                "nothing was restored",
            ));
        }
    }
    // Meanwhile the newest may be another: what was shown is what is restored.
    let backup = view.id.clone();
    ask(of, BackupDeed::Restore { backup, release_as_it_is }, wait, context).await
}

async fn ask(of: Of, deed: BackupDeed, wait: Wait, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    let asked = api.ask_backup(&of.host, &NewBackupRequest { product: of.product, deed }).await?;
    if !wait.wait {
        context.output.data(&asked, |asked| {
            format!(
                "asked host {}; `refit backup list {}` shows what comes of it",
                asked.host, asked.host
            )
        })?;
        return Ok(Exit::Done);
    }
    let ended = until_done(&api, &of.host, asked.id, context);
    let limit = async {
        match wait.timeout {
            Some(limit) => context.ambient.clock.sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let done = tokio::select! {
        done = ended => done?,
        () = limit => {
            context.output.say(&format!("host {} has not ended it yet; it goes on", of.host));
            return Ok(Exit::TimedOut);
        }
        _ = tokio::signal::ctrl_c() => {
            context.output.say(&format!("no longer waiting; host {} goes on", of.host));
            return Ok(Exit::Interrupted);
        }
    };
    if let Some(cause) = &done.cause {
        let text = format!("host {}: {}", of.host, cause.text);
        let exit = if cause.code == "backup.damaged" { Exit::NotVerified } else { Exit::Failed };
        return Err(CliError::new(&cause.code, exit, text));
    }
    context.output.data(&json!({ "host": of.host, "done": done }), |_| {
        format!("{}: {}", done.backup.as_deref().unwrap_or("done"), done.note)
    })?;
    Ok(Exit::Done)
}

async fn until_done(
    api: &ApiClient,
    host: &HostName,
    id: u64,
    context: &Context,
) -> Result<BackupDone, CliError> {
    let mut said = String::new();
    loop {
        let view = api.host_backups(host).await?;
        if let Some(done) = view.report.done.iter().find(|done| done.id == id) {
            return Ok(done.clone());
        }
        let now = match &view.report.running {
            Some(running) if running.what.is_empty() => "its agent begins".to_owned(),
            Some(running) => running.to_string(),
            None if !view.reachable => "waiting: its agent was not heard of lately".to_owned(),
            None => "waiting for its agent".to_owned(),
        };
        if now != said {
            context.output.say(&format!("{host}: {now}"));
            said = now;
        }
        context.ambient.clock.sleep(LOOK).await;
    }
}
