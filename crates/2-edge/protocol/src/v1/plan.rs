//! What people want of a plan beside the target, and plans of earlier generations.

use super::RolloutView;
use jiff::Timestamp;
use refit_names::{Digest, Generation, HostName, PartName, PersonName};
use refit_plan::{Pin, Way};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What people want of all plans of a rollout beside its target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDemands {
    /// Hosts that must be changed at a given time.
    #[serde(default)]
    pub pins: Vec<Pin>,
    /// When everything must be finished.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// Why freezes do not count.
    #[serde(default)]
    pub emergency: Option<String>,
    /// Time that people need behind each host to validate it, in milliseconds.
    #[serde(default)]
    pub validation_ms: u64,
    /// Optional parts that are installed beside those that are by default.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<PartName>,
    /// Optional parts that are left out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without_parts: BTreeSet<PartName>,
    /// Hosts whose build is only stated are planned too; they are not prepared before an agent saw the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stated: bool,
}

/// A plan to be made: what is not said stays as it was for the plan before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// Nothing is kept: the answer is what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Pins, each in the place of the one that its host had.
    #[serde(default)]
    pub pins: Vec<Pin>,
    /// Hosts whose pin is taken away.
    #[serde(default)]
    pub unpin: BTreeSet<HostName>,
    /// When everything must be finished.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// There is no deadline any more.
    #[serde(default)]
    pub no_deadline: bool,
    /// Why freezes do not count.
    #[serde(default)]
    pub emergency: Option<String>,
    /// It is no emergency any more.
    #[serde(default)]
    pub no_emergency: bool,
    /// Time that people need behind each host to validate it, in milliseconds.
    #[serde(default)]
    pub validation_ms: Option<u64>,
    /// Whether hosts whose build is only stated are planned too.
    #[serde(default)]
    pub stated: Option<bool>,
}

impl PlanRequest {
    /// The demands after this request.
    #[must_use]
    pub fn applied_to(&self, before: &PlanDemands) -> PlanDemands {
        let mut after = before.clone();
        let replaced = |pin: &Pin| {
            self.unpin.contains(&pin.host) || self.pins.iter().any(|new| new.host == pin.host)
        };
        after.pins.retain(|pin| !replaced(pin));
        after.pins.extend(self.pins.iter().cloned());
        after.pins.sort();
        after.deadline = if self.no_deadline { None } else { self.deadline.or(before.deadline) };
        let emergency = self.emergency.clone().or_else(|| before.emergency.clone());
        after.emergency = if self.no_emergency { None } else { emergency };
        after.validation_ms = self.validation_ms.unwrap_or(before.validation_ms);
        after.stated = self.stated.unwrap_or(before.stated);
        after
    }
}

/// One plan in the line of a rollout's plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// Its generation.
    pub generation: Generation,
    /// Its hash.
    pub hash: Digest,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who asked for it.
    pub author: PersonName,
    /// When it is expected to end; none when nothing in it has a time.
    pub finishes_at: Option<Timestamp>,
    /// Whether the second judge found something.
    pub findings: usize,
}

impl RolloutView {
    /// What it does in a few words.
    #[must_use]
    pub fn goal(&self) -> String {
        match self.way {
            Way::Forward => format!("{} to build {}", self.product, self.target),
            Way::Removal => {
                format!("{} back to build {} by removing its last pack", self.product, self.target)
            }
        }
    }
}
