//! A campaign as the server keeps it, and the one way in which it changes: an event through `refit_rollout`.

use crate::{
    app::App,
    refusal::{Answer, ApiError},
};
use jiff::Timestamp;
use refit_names::{HostName, PersonName, RolloutName};
use refit_plan::Freeze;
use refit_protocol::v1::{Acknowledgement, Configuration, NewRollout};
use refit_rollout::{Effect, Event, IllegalMove, Rollout, RolloutState};
use refit_store::{StoreError, rollouts::RolloutRow};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;

/// How often a change is decided anew when someone else was faster: more than people and tasks that act at once.
const TRIES: u32 = 20;

/// A campaign.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Campaign {
    /// What was asked for.
    pub(crate) spec: NewRollout,
    /// Who asked.
    pub(crate) author: PersonName,
    /// The state machine.
    pub(crate) rollout: Rollout,
    /// What was set before deploying.
    #[serde(default)]
    pub(crate) configuration: Option<Configuration>,
    /// Who said go.
    #[serde(default)]
    pub(crate) deployer: Option<PersonName>,
    /// Advisory findings that people took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) acknowledged: Vec<Acknowledgement>,
}

/// A campaign with its version.
pub(crate) type CampaignRow = RolloutRow<Campaign>;

impl Campaign {
    /// Whether it is neither completed nor cancelled.
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.rollout.state(), RolloutState::Completed | RolloutState::Cancelled { .. })
    }

    /// Advisory findings of a host that people took.
    pub(crate) fn acknowledged_of(&self, host: &HostName) -> Vec<Acknowledgement> {
        self.acknowledged.iter().filter(|taken| taken.host == *host).cloned().collect()
    }

    /// Whether hosts may still hold orders of it, or report on them.
    pub(crate) fn has_orders(&self) -> bool {
        match self.rollout.state() {
            RolloutState::Draft | RolloutState::Planned | RolloutState::Agreed => false,
            // Hosts that had begun report even after the end.
            RolloutState::Completed | RolloutState::Cancelled { .. } => {
                self.rollout.hosts().iter().any(|host| !host.settled())
            }
            _ => true,
        }
    }
}

/// Campaigns whose hosts may hold orders or report on them, the newest first. One that had none is not read again before it changes:
/// most campaigns of a server are over.
pub(crate) async fn with_orders(app: &App) -> Answer<Vec<CampaignRow>> {
    let mut rows = Vec::new();
    for (name, version) in app.store.rollout_versions().await? {
        let without = || app.without_orders.lock().unwrap_or_else(PoisonError::into_inner);
        if without().get(&name) == Some(&version) {
            continue;
        }
        let row = load(app, &name).await?;
        if row.body.has_orders() {
            rows.push(row);
        } else {
            without().insert(name, row.version);
        }
    }
    Ok(rows)
}

/// Reads a campaign.
pub(crate) async fn load(app: &App, name: &RolloutName) -> Answer<CampaignRow> {
    Ok(app.store.rollout(name).await?)
}

/// Changes a campaign by one event. `also` writes down what the state machine does not keep.
pub(crate) async fn apply(
    app: &App,
    name: &RolloutName,
    event: Event,
    also: impl Fn(&mut Campaign),
) -> Answer<Campaign> {
    change(app, name, |campaign| {
        let moved = campaign.rollout.next(&event, app.now())?;
        campaign.rollout = moved.rollout;
        also(campaign);
        Ok(moved.effects)
    })
    .await
}

/// Reads, decides, writes; all again when someone else wrote in between. A decision that changes nothing writes nothing.
pub(crate) async fn change(
    app: &App,
    name: &RolloutName,
    decide: impl Fn(&mut Campaign) -> Result<Vec<Effect>, IllegalMove>,
) -> Answer<Campaign> {
    let mut tries = 0;
    let now = app.now();
    let freezes = app.store.freezes().await?;
    let freezes: Vec<_> = freezes.into_iter().filter(|freeze| freeze.until > now).collect();
    loop {
        let row = app.store.rollout::<Campaign>(name).await?;
        let mut campaign = row.body.clone();
        // Before, so that an ended freeze does not halt what is resumed; after, so that what is deployed meets a new one.
        let mut effects = heed(&mut campaign, &freezes, now)?;
        effects.extend(decide(&mut campaign)?);
        effects.extend(heed(&mut campaign, &freezes, now)?);
        if campaign.rollout == row.body.rollout
            && campaign.configuration == row.body.configuration
            && campaign.deployer == row.body.deployer
            && campaign.acknowledged == row.body.acknowledged
        {
            return Ok(campaign);
        }
        match app.store.save_rollout(name, row.version, &campaign).await {
            Ok(_) => {
                perform(app, name, &effects);
                return Ok(campaign);
            }
            Err(StoreError::Conflict { .. }) if tries < TRIES => tries += 1,
            Err(error) => return Err(ApiError::from(error)),
        }
    }
}

/// Lets a campaign that runs know of freezes, in the same write that would let hosts start.
fn heed(
    campaign: &mut Campaign,
    freezes: &[Freeze],
    now: Timestamp,
) -> Result<Vec<Effect>, IllegalMove> {
    let runs = matches!(
        campaign.rollout.state(),
        RolloutState::Deploying { .. } | RolloutState::Paused { .. } | RolloutState::Halted { .. }
    );
    if !runs || campaign.rollout.freezes() == freezes {
        return Ok(Vec::new());
    }
    let moved = campaign.rollout.next(&Event::FreezesKnown { freezes: freezes.to_vec() }, now)?;
    campaign.rollout = moved.rollout;
    Ok(moved.effects)
}

/// What a move leads to. Permissions are not sent: they are derived again from what was just stored.
fn perform(app: &App, rollout: &RolloutName, effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::Note { text } => tracing::info!(%rollout, text, "rollout"),
            Effect::Permit { host, permission } => {
                tracing::debug!(%rollout, %host, ?permission, "permission");
            }
            // The ticker looks more often than any soak or timeout needs.
            Effect::TickAt { at } => tracing::trace!(%rollout, %at, "tick due"),
        }
    }
    app.changed();
}
