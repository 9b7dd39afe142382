//! How risky it is to change a host: a score made of named reasons, each with its mitigation.
//!
//! Here: the score and what it is made of. Deliberately not here: the order that follows from it (`planner`).
//! Called by: server, planner.
//!
//! Invariants:
//! 1. The score is the sum of its reasons' points, capped at 100: every number can be traced.
//! 2. The same input gives the same score.

mod entry;
mod score;
mod weights;

pub use entry::{Exposure, Level, LevelError, RiskEntry, RiskStatus};
pub use score::{KnownIssue, PastFailure, RiskInput, score, score_without};
pub use weights::{Weight, WeightError, Weights};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The score of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskScore {
    /// Sum of the points, at most 100.
    pub score: u32,
    /// Why, the heaviest first.
    pub reasons: Vec<RiskReason>,
}

/// One reason of a score.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RiskReason {
    /// Stable identifier, such as `criticality`.
    pub code: String,
    /// What it adds.
    pub points: u32,
    /// What was found, for people.
    pub text: String,
    /// What lessens it, for people.
    pub mitigation: String,
    /// Where the fact comes from: an agent, a person, an import, earlier campaigns, a pack.
    #[serde(default)]
    pub source: String,
    /// Since when that is known; none when nobody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<Timestamp>,
    /// The weights that its points come from, by name, and how often.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weight: String,
    /// The stated risk behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// What it added before its mitigation was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points_before: Option<u32>,
}
