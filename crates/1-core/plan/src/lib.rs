//! The nouns of a plan, its hash and its order per host; no deciding.
//!
//! Here: what was decided, frozen. Deliberately not here: how it was decided (`planner`), whether it is right
//! (`plan-check`), how far it came (`rollout`).
//! Called by: planner, plan-check, rollout, server, agent, documents.
//!
//! Invariants:
//! 1. A plan never changes: another plan is another hash, with this one as its parent.
//! 2. The hash covers every field: what was approved is what is carried out.
//! 3. An order leaves the host nothing to choose.

mod diff;
mod display;
mod pin;
mod rollback;
mod time;
mod way;
mod window;

pub use diff::{Change, diff};
pub use pin::{Pin, PinnedTo};
pub use rollback::{ReturnWay, RollbackHost, RollbackPlan};
pub use time::{busy_ms, reserve_ms};
pub use way::Way;
pub use window::{Freeze, Scope, Window};

use jiff::Timestamp;
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, ParameterName, PartName, Percent, PersonName,
    ProductName, RoleName, RolloutName, SiteName, TargetName, TimeClass, WaveName, WindowName,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `format` in a plan that this code understands.
pub const PLAN_FORMAT: &str = "refit.plan/1";

/// An immutable plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Always [`PLAN_FORMAT`].
    pub format: String,
    /// The campaign.
    pub rollout: RolloutName,
    /// Raised with each plan of the campaign.
    pub generation: Generation,
    /// The hash of the plan that this one replaces.
    pub parent: Option<Digest>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who asked for it.
    pub author: PersonName,
    /// What is upgraded.
    pub product: ProductName,
    /// Where to.
    pub target: BuildId,
    /// The packs that its legs use, without duplicates.
    pub packs: Vec<PackPin>,
    /// In this order.
    pub waves: Vec<PlannedWave>,
    /// Failures, over all waves, that halt the rollout when exceeded.
    pub failure_budget: u32,
    /// Hosts that were asked for and are not in it, with the reason.
    pub excluded: Vec<Excluded>,
    /// How many people other than the author must agree.
    pub approvals_needed: u32,
    /// Optional parts of its packs that are wanted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<PartName>,
    /// The moment by which people want it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Why freezes do not count; such a plan needs one approval more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
    /// When content must set out for sites with a narrow line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub staging: Vec<Staging>,
    /// Hosts that had begun when it was made: they stand as in its parent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub begun: BTreeSet<HostName>,
    /// Hosts whose build no agent saw: people state it. They are not prepared before an agent saw the same.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stated: BTreeSet<HostName>,
}

/// Content on its way to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staging {
    /// Where to.
    pub site: SiteName,
    /// What all its hosts fetch together.
    pub bytes: ByteSize,
    /// Bytes per second of its line.
    pub bandwidth: ByteSize,
    /// The latest moment at which every host still has its content in time.
    pub start_by: Timestamp,
}

/// A pack by its exact content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackPin {
    /// The build that it leads to.
    pub to: BuildId,
    /// The target that holds its record.
    pub record: TargetName,
    /// SHA-256 of the record: pins every file, step and command.
    pub digest: Digest,
    /// Bytes of its whole content, compressed.
    pub size: ByteSize,
}

/// Servers that are changed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedWave {
    /// Its name.
    pub name: WaveName,
    /// Its hosts, lowest risk first.
    pub hosts: Vec<PlannedHost>,
    /// The share that must succeed before the next wave starts.
    pub goal: Percent,
    /// Failures in this wave that halt the rollout when exceeded.
    pub failure_budget: u32,
    /// How long it is watched after its last host, in milliseconds.
    pub soak_ms: u64,
    /// When it stops waiting, in milliseconds after its start.
    pub timeout_ms: u64,
    /// How many hosts may be down at the same time.
    pub parallel: u32,
    /// How the next wave starts.
    pub advance: Advance,
}

/// How the next wave starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advance {
    /// By itself, when goal and soak are reached.
    Automatic,
    /// When a person says so.
    Manual,
}

/// One host of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedHost {
    /// Its name.
    pub host: HostName,
    /// Where it stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
    /// Its score when the plan was made.
    pub risk: u32,
    /// Why it stands where it stands.
    pub because: String,
    /// The packs that it takes, one after the other.
    pub legs: Vec<Leg>,
    /// Values of runbook parameters.
    pub parameters: BTreeMap<ParameterName, String>,
    /// Half of such hosts are done after this many milliseconds; 0 when nobody said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub p50_ms: u64,
    /// Nineteen of twenty such hosts are done after this many milliseconds.
    pub p95_ms: u64,
    /// Nineteen of twenty such hosts are back after this many milliseconds.
    pub undo_p95_ms: u64,
    /// Time that people need behind it to validate it, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation_ms: u64,
    /// Where its times come from; empty means from its packs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub estimated_from: String,
    /// What its score is made of, the heaviest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<RiskPoint>,
    /// When it is changed and by whom; none means as soon as its wave runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

/// One reason of a score, as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskPoint {
    /// Stable identifier, such as `criticality`.
    pub code: String,
    /// What it adds.
    pub points: u32,
    /// What was found.
    pub text: String,
    /// What lessens it.
    pub mitigation: String,
}

/// When a host is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The opening of the window that it stands in.
    pub opening: Opening,
    /// When it is expected to start.
    pub starts_at: Timestamp,
    /// What kind of time that is.
    pub class: TimeClass,
    /// Who does it or stands by.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub people: BTreeSet<PersonName>,
}

/// One opening of a window, with freezes cut out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Which window.
    pub window: WindowName,
    /// From this moment on.
    pub opens_at: Timestamp,
    /// Until just before this moment.
    pub closes_at: Timestamp,
}

/// One pack on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// The build before.
    pub from: BuildId,
    /// The pack, pinned; its `to` is the build after. Of a removal: the record of the pack that goes, of which nothing is fetched.
    pub pack: PackPin,
    /// Which way it leads.
    #[serde(default, skip_serializing_if = "Way::is_forward")]
    pub way: Way,
}

/// A host that was asked for and is not in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Its name.
    pub host: HostName,
    /// Why.
    pub because: String,
}

/// The part of an authorised plan that one host carries out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Which campaign and which generation of its plan.
    pub key: OrderKey,
    /// The approved plan.
    pub plan: Digest,
    /// The host that it is for: any other refuses it.
    pub host: HostName,
    /// What is upgraded.
    pub product: ProductName,
    /// One after the other.
    pub legs: Vec<Leg>,
    /// Values of runbook parameters.
    pub parameters: BTreeMap<ParameterName, String>,
    /// When it may be carried out; none means at any time after deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening>,
    /// What its opening was chosen to hold; stands with `opening`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<OrderTimes>,
    /// Optional parts of its packs that are wanted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<PartName>,
}

/// How long a host is expected to take at most: from history, where packs only guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderTimes {
    /// All its legs, in milliseconds.
    pub p95_ms: u64,
    /// The way back from its longest leg, in milliseconds.
    pub undo_p95_ms: u64,
}

/// Identifies an order on its host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderKey {
    /// The campaign.
    pub rollout: RolloutName,
    /// The generation of its plan.
    pub generation: Generation,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a plan has no hash.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the plan as JSON")]
pub struct HashError(#[from] serde_json::Error);

impl Plan {
    /// The hash that approvals and orders are bound to: SHA-256 of the compact JSON text.
    ///
    /// The text is canonical because fields stand in declaration order, maps are sorted, and there are no floats.
    ///
    /// # Errors
    /// [`HashError`] never in practice: all keys are texts.
    pub fn hash(&self) -> Result<Digest, HashError> {
        Ok(Digest::of(&serde_json::to_vec(self)?))
    }

    /// All hosts with the wave that they are in.
    pub fn hosts(&self) -> impl Iterator<Item = (&PlannedWave, &PlannedHost)> {
        self.waves.iter().flat_map(|wave| wave.hosts.iter().map(move |host| (wave, host)))
    }

    /// The order for `host`, or none when the plan does not have it.
    ///
    /// # Errors
    /// As [`Plan::hash`].
    pub fn order_for(&self, host: &HostName) -> Result<Option<Order>, HashError> {
        let Some((_, planned)) = self.hosts().find(|(_, planned)| planned.host == *host) else {
            return Ok(None);
        };
        Ok(Some(self.order_of(planned, self.hash()?)))
    }

    /// The order for a host of this plan, whose hash the caller has already.
    #[must_use]
    pub fn order_of(&self, planned: &PlannedHost, hash: Digest) -> Order {
        Order {
            key: OrderKey { rollout: self.rollout.clone(), generation: self.generation },
            plan: hash,
            host: planned.host.clone(),
            product: self.product.clone(),
            legs: planned.legs.clone(),
            parameters: planned.parameters.clone(),
            opening: planned.slot.as_ref().map(|slot| slot.opening.clone()),
            times: planned
                .slot
                .as_ref()
                .map(|_| OrderTimes { p95_ms: planned.p95_ms, undo_p95_ms: planned.undo_p95_ms }),
            parts: self.parts.clone(),
        }
    }
}
