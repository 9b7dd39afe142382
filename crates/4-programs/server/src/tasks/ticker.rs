//! Carries campaigns on: what hosts reported and the time that went by become events of the state machine.

use super::wait;
use crate::{
    app::App,
    campaign::{self, Campaign},
    refusal::Answer,
    views,
};
use refit_journal::{Cause, OrderOutcome};
use refit_names::RolloutName;
use refit_plan::Plan;
use refit_protocol::{
    Problem,
    agent::{OrderReport, Standing},
};
use refit_rollout::{Event, HostReport};
use std::time::Duration;

/// Reports that come together are looked at together.
const GATHER: Duration = Duration::from_millis(20);
/// The longest that a soak or a timeout is late.
const LONGEST: Duration = Duration::from_millis(500);

pub(crate) async fn run(app: App) {
    loop {
        match app.store.rollouts::<Campaign>().await {
            Ok(rows) => {
                for row in rows.into_iter().filter(|row| row.body.has_orders()) {
                    if let Err(error) = carry_on(&app, &row.name).await {
                        tracing::error!(rollout = %row.name, problem = Problem::from(error).detail, "rollout was not carried on");
                    }
                }
            }
            Err(error) => {
                tracing::error!(problem = refit_names::chain(&error), "rollouts were not read")
            }
        }
        if !wait(&app, app.hub.reported.notified(), LONGEST).await {
            return;
        }
        app.ambient.clock.sleep(GATHER).await;
    }
}

/// Applies every host's last word, then the time.
async fn carry_on(app: &App, name: &RolloutName) -> Answer<()> {
    let campaign = campaign::load(app, name).await?.body;
    let Some(hash) = campaign.rollout.plan() else { return Ok(()) };
    let plan = app.store.plan(&hash).await?.plan;
    let reports = app.store.reports(name).await?;
    let now = app.now();
    let after = campaign::change(app, name, |campaign| {
        let mut effects = Vec::new();
        for (host, report) in reports.iter().filter(|(_, report)| current(report, &plan, &hash)) {
            let standing = standing(report);
            let event = Event::HostReported { host: host.clone(), standing };
            match campaign.rollout.next(&event, now) {
                Ok(moved) => {
                    campaign.rollout = moved.rollout;
                    effects.extend(moved.effects);
                }
                // A host that was left out still talks; what it says changes nothing.
                Err(refused) => tracing::trace!(%host, error = refit_names::chain(&refused), "report changes nothing"),
            }
        }
        let moved = campaign.rollout.next(&Event::Tick, now)?;
        campaign.rollout = moved.rollout;
        effects.extend(moved.effects);
        Ok(effects)
    })
    .await?;
    // Reports that change no state still move progress bars.
    if after.rollout == campaign.rollout {
        app.progress();
    }
    Ok(())
}

fn current(report: &OrderReport, plan: &Plan, hash: &refit_names::Digest) -> bool {
    views::is_of(report, plan) && report.plan == *hash
}

fn standing(report: &OrderReport) -> HostReport {
    let text = |cause: &Cause| format!("{}: {}", cause.code, cause.text);
    match &report.standing {
        Standing::Refused { cause } => HostReport::Refused { cause: text(cause) },
        Standing::Preparing { stage, .. } => HostReport::Preparing { stage: *stage },
        Standing::PrepareFailed { stage, cause, .. } => {
            HostReport::PrepareFailed { stage: *stage, cause: text(cause) }
        }
        Standing::Prepared { .. } => HostReport::Prepared,
        Standing::Running { progress } => HostReport::Running {
            phase: format!("{:?}", progress.phase).to_lowercase(),
            step: progress.step.to_string(),
        },
        Standing::Finished { outcome, .. } => match outcome {
            OrderOutcome::Succeeded { build } => HostReport::Succeeded { build: build.clone() },
            OrderOutcome::RolledBack { build, cause, .. } => {
                HostReport::RolledBack { build: build.clone(), cause: text(cause) }
            }
            OrderOutcome::NeedsPerson { cause } => HostReport::NeedsPerson { cause: text(cause) },
        },
    }
}
