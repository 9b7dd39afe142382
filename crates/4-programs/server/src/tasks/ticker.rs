//! Carries campaigns on: what hosts reported and the time that went by become events of the state machine.

use super::wait;
use crate::{
    app::App,
    campaign::{self, CampaignRow},
    refusal::Answer,
};
use refit_journal::OrderOutcome;
use refit_names::{Digest, HostName, RolloutName};
use refit_protocol::{
    Problem,
    agent::{OrderReport, Standing},
};
use refit_rollout::{Event, HostReport};
use std::{collections::BTreeMap, time::Duration};

/// Reports that come together are looked at together.
const GATHER: Duration = Duration::from_millis(20);
/// The longest that a soak or a timeout is late.
const LONGEST: Duration = Duration::from_millis(500);

/// The last word of each host of a campaign, as its state machine hears it: read when it changes, not whenever the time is looked at.
type Words = BTreeMap<HostName, Word>;

struct Word {
    digest: String,
    plan: Digest,
    standing: HostReport,
}

pub(crate) async fn run(app: App) {
    let mut heard: BTreeMap<RolloutName, Words> = BTreeMap::new();
    loop {
        match campaign::with_orders(&app).await {
            Ok(open) => {
                heard.retain(|name, _| open.iter().any(|row| row.name == *name));
                for row in open {
                    let words = heard.entry(row.name.clone()).or_default();
                    if let Err(error) = carry_on(&app, &row, words).await {
                        tracing::error!(rollout = %row.name, problem = Problem::from(error).detail, "rollout was not carried on");
                    }
                }
            }
            Err(error) => {
                tracing::error!(problem = Problem::from(error).detail, "rollouts were not read");
            }
        }
        if !wait(&app, app.hub.reported.notified(), LONGEST).await {
            return;
        }
        app.ambient.clock.sleep(GATHER).await;
    }
}

/// Applies every host's last word, then the time.
async fn carry_on(app: &App, row: &CampaignRow, words: &mut Words) -> Answer<()> {
    let name = &row.name;
    listen(app, name, words).await?;
    let now = app.now();
    let after = campaign::change(app, name, |campaign| {
        let (mut effects, plan) = (Vec::new(), campaign.rollout.plan());
        for (host, word) in words.iter().filter(|(_, word)| Some(word.plan) == plan) {
            if !campaign.rollout.is_news(host, &word.standing) {
                continue;
            }
            let event = Event::HostReported { host: host.clone(), standing: word.standing.clone() };
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
    if after.rollout == row.body.rollout {
        app.progress();
    }
    Ok(())
}

/// Takes in what hosts said since.
async fn listen(app: &App, name: &RolloutName, words: &mut Words) -> Answer<()> {
    let known = |host: &HostName, digest: &str| {
        words.get(host).is_some_and(|word: &Word| word.digest == digest)
    };
    for new in app.store.new_reports(name, known).await? {
        let (plan, standing) = (new.report.plan, standing(&new.report));
        words.insert(new.host, Word { digest: new.digest, plan, standing });
    }
    Ok(())
}

fn standing(report: &OrderReport) -> HostReport {
    match &report.standing {
        Standing::Refused { cause } => HostReport::Refused { cause: cause.to_string() },
        Standing::Preparing { stage, .. } => HostReport::Preparing { stage: *stage },
        Standing::PrepareFailed { stage, cause, .. } => {
            HostReport::PrepareFailed { stage: *stage, cause: cause.to_string() }
        }
        Standing::Prepared { .. } => HostReport::Prepared,
        Standing::Running { progress } => HostReport::Running {
            phase: format!("{:?}", progress.phase).to_lowercase(),
            step: progress.step.to_string(),
        },
        Standing::Finished { outcome, .. } => match outcome {
            OrderOutcome::Succeeded { build } => HostReport::Succeeded { build: build.clone() },
            OrderOutcome::RolledBack { build, cause, .. } => {
                HostReport::RolledBack { build: build.clone(), cause: cause.to_string() }
            }
            OrderOutcome::NeedsPerson { cause } => {
                HostReport::NeedsPerson { cause: cause.to_string() }
            }
        },
    }
}
