//! Delivers events: each try is claimed before it is made, so that of several servers one makes it and a crash loses none.

use super::wait;
use crate::{app::App, notify, refusal::Answer, tls::stopped};
use futures_util::future::join_all;
use jiff::SignedDuration;
use refit_names::chain;
use refit_protocol::Problem;
use refit_store::notify::{DeliveryRow, Tried};
use std::time::Duration;

/// A try of another server, or of one that died, is looked at again after this time: longer than any try takes.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
/// How long a delivery of another server's event may wait for us.
const LONGEST: Duration = Duration::from_secs(5);
/// Tries at the same moment.
const PARALLEL: u64 = 16;
/// Waits between tries: a receiver that is down over a weekend still hears of it.
const WAITS_S: [i64; 10] = [1, 10, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400, 86_400];

pub(crate) async fn run(app: App) {
    loop {
        let mut stop = app.stop.clone();
        tokio::select! {
            done = deliver(&app) => {
                if let Err(error) = done {
                    tracing::error!(problem = Problem::from(error).detail, "events were not delivered");
                }
            }
            // What was claimed is tried again by whoever comes next.
            () = stopped(&mut stop) => return,
        }
        if !wait(&app, app.deliveries.notified(), LONGEST.min(soonest(&app).await)).await {
            return;
        }
    }
}

/// The first retry comes sooner than the usual look.
async fn soonest(app: &App) -> Duration {
    let soon = app.now() + SignedDuration::from_secs(2);
    match app.store.due_deliveries(soon, 1).await {
        Ok(due) if !due.is_empty() => Duration::from_millis(200),
        _ => LONGEST,
    }
}

async fn deliver(app: &App) -> Answer<()> {
    loop {
        let due = app.store.due_deliveries(app.now(), PARALLEL).await?;
        if due.is_empty() {
            return Ok(());
        }
        for done in join_all(due.iter().map(|delivery| attempt(app, delivery))).await {
            done?;
        }
    }
}

async fn attempt(app: &App, delivery: &DeliveryRow) -> Answer<()> {
    let now = app.now();
    if !app.store.claim_delivery(delivery, now, now + CLAIM).await? {
        return Ok(());
    }
    let channels = app.store.channels().await?;
    let channel = channels.iter().find(|channel| channel.id == delivery.channel);
    let tried = match channel {
        None => Tried::Failed { problem: "the channel was removed".to_owned() },
        Some(channel) if channel.disabled.is_some() => {
            Tried::Failed { problem: "the channel is disabled".to_owned() }
        }
        Some(channel) => {
            let event = app.store.event(&delivery.event).await?;
            match notify::send(app, channel, &event).await {
                Ok(()) => Tried::Delivered,
                Err(fault) if fault.gone => {
                    app.store.disable_channel(&channel.id, &fault.problem).await?;
                    Tried::Failed { problem: fault.problem }
                }
                Err(fault) => again(app, delivery, fault.problem),
            }
        }
    };
    match &tried {
        Tried::Delivered => {
            tracing::info!(event = delivery.event, channel = delivery.channel, "delivered")
        }
        Tried::Again { problem, .. } | Tried::Failed { problem } => {
            tracing::warn!(
                event = delivery.event,
                channel = delivery.channel,
                problem,
                "not delivered"
            );
        }
    }
    if let Err(error) = app.store.tried_delivery(delivery, &tried).await {
        // The claim runs out, and it is tried again under the same identifier.
        tracing::error!(error = chain(&error), "delivery was not written down");
    }
    Ok(())
}

fn again(app: &App, delivery: &DeliveryRow, problem: String) -> Tried {
    let place = usize::try_from(delivery.attempts).unwrap_or(usize::MAX);
    match WAITS_S.get(place) {
        Some(seconds) => {
            Tried::Again { at: app.now() + SignedDuration::from_secs(*seconds), problem }
        }
        None => Tried::Failed { problem },
    }
}
