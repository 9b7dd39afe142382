//! The one call of an agent: what it says is stored, then it is told what it ought to do, at once or when that changes.

use super::{Host, certificate};
use crate::{
    app::App,
    body::Json,
    desired,
    hub::Told,
    refusal::{Answer, Refusal},
    tls::stopped,
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use refit_names::{Digest, HostName};
use refit_protocol::agent::{
    JOURNAL_BATCH_MAX, OrderReport, PROTOCOL, SyncRequest, SyncResponse, WAIT_MS_MAX,
};
use std::time::Duration;
use tokio::sync::watch;

pub(super) async fn sync(
    State(app): State<App>,
    Host(bearer): Host,
    Json(request): Json<SyncRequest>,
) -> Answer<Response> {
    let host = bearer.host.clone();
    if request.protocol != PROTOCOL {
        return Err(Refusal::Protocol { found: request.protocol, expected: PROTOCOL }.into());
    }
    if request.journal.len() > JOURNAL_BATCH_MAX {
        let (expected, found) =
            (format!("at most {JOURNAL_BATCH_MAX}"), request.journal.len().to_string());
        return Err(Refusal::OutOfRange { field: "journal", expected, found }.into());
    }
    // What touches the store is boxed: a call that is held for a minute shall not carry the room of what is long done.
    let mut told = Box::pin(subscribe(&app, &host)).await?;
    app.hub.heard(&host, app.now());
    let said_something = request.facts.is_some()
        || request.backups.is_some()
        || request.csr.is_some()
        || !request.journal.is_empty();
    if let Some(facts) = &request.facts {
        Box::pin(app.store.observe(&host, facts, app.now())).await?;
        app.hub.facts_are_here(&host);
        app.hub.forget_cleared(&host, facts);
        app.changed();
    }
    if let Some(said) = &request.backups {
        // Told every second while a backup runs; what is wished for changes only when a request is done.
        if Box::pin(app.store.put_backup_report(&host, said, app.now())).await? {
            app.changed();
        }
    }
    for done in &request.tests {
        if Box::pin(app.store.end_runbook_test(&host, done)).await? {
            app.changed();
        }
    }
    // The journal first: a report of the end finds the entries that prove it.
    let journal_acknowledged = Box::pin(journal(&app, &host, &request)).await?;
    if let Some(report) = &request.order {
        Box::pin(keep_report(&app, &host, report, &told)).await?;
    }
    // After the report, which may have told of a question for the first time.
    Box::pin(crate::questions::counted(&app, &host, &request.journal)).await?;
    let renewed = Box::pin(certificate::renew(&app, &bearer, request.csr.as_deref())).await?;
    let (seen, wait_ms) = (request.seen, request.wait_ms);
    drop(request);
    if !said_something {
        hold(&app, &mut told, seen, wait_ms).await;
        app.hub.heard(&host, app.now());
    }
    let now = told.borrow_and_update().clone();
    if now.desired.retired {
        return Err(Refusal::HostRetired { host }.into());
    }
    // The next call comes over a connection that shows the new one.
    let close = renewed.is_some().then_some([(header::CONNECTION, "close")]);
    let answer = SyncResponse {
        backups: now.desired.backups.clone(),
        answers: now.desired.answers.clone(),
        tests: now.desired.tests.clone(),
        cleared: now.desired.cleared.clone(),
        journal_acknowledged,
        seen: now.seen,
        assignment: now.desired.assignment.clone(),
        want_facts: now.desired.want_facts,
        want_csr: renewed.is_none() && bearer.ends_soon(app.now()),
        certificate: renewed,
    };
    Ok((close, axum::Json(answer)).into_response())
}

/// A host that enrolled a moment ago may not be in memory yet.
async fn subscribe(app: &App, host: &HostName) -> Answer<watch::Receiver<Told>> {
    let told = match app.hub.subscribe(host) {
        Some(told) => Some(told),
        None => {
            desired::derive(app).await?;
            app.hub.subscribe(host)
        }
    };
    let told = told.ok_or_else(|| Refusal::HostUnknown { host: host.clone() })?;
    if told.borrow().desired.retired {
        return Err(Refusal::HostRetired { host: host.clone() }.into());
    }
    Ok(told)
}

/// Stores new entries; returns the last one that is stored.
async fn journal(app: &App, host: &HostName, request: &SyncRequest) -> Answer<u64> {
    if let (true, Some(end)) = (request.journal.is_empty(), app.hub.journal_end(host)) {
        return Ok(end);
    }
    let head = if request.journal.is_empty() {
        app.store.journal_head(host).await?
    } else {
        app.store.append_journal(host, &request.journal).await?
    };
    app.hub.keep_journal_end(host, head.seq);
    Ok(head.seq)
}

/// Stores what a host says of an order that is its own. Anything else is logged and dropped.
async fn keep_report(
    app: &App,
    host: &HostName,
    report: &OrderReport,
    told: &watch::Receiver<Told>,
) -> Answer<()> {
    let desired = told.borrow().desired.clone();
    let mut orders = desired.orders.iter();
    let Some(own) = orders.find(|own| own.key == report.key && own.plan == report.plan) else {
        tracing::debug!(%host, rollout = %report.key.rollout, plan = %report.plan, "report on an order that the host does not have");
        return Ok(());
    };
    let news = Digest::of(&serde_json::to_vec(report).unwrap_or_default());
    if app.hub.is_news(host, news) {
        app.store.put_report(host, report, app.now()).await?;
        app.hub.keep_report(host, news);
        crate::questions::heard(app, host, report).await?;
        // What a removal takes says nothing of how long its pack takes to install.
        if !own.removes {
            crate::history::learn(app, host, report).await?;
        }
        app.hub.reported.notify_one();
    }
    Ok(())
}

/// Waits until the host has something to learn, or its time is over, or the server stops.
async fn hold(app: &App, told: &mut watch::Receiver<Told>, seen: u64, wait_ms: u64) {
    let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
    let mut stop = app.stop.clone();
    let news = |told: &Told| told.seen != seen || told.desired.want_facts || told.desired.retired;
    tokio::select! {
        () = async { let _ = told.wait_for(news).await; } => {}
        () = app.ambient.clock.sleep(wait) => {}
        () = stopped(&mut stop) => {}
    }
}
