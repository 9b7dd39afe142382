//! How risky it is to change a host: a score made of named reasons, each with its mitigation.
//!
//! Here: the score and what it is made of. Deliberately not here: the order that follows from it (`planner`).
//! Called by: server, planner.
//!
//! Invariants:
//! 1. The score is the sum of its reasons' points, capped at 100: every number can be traced.
//! 2. The same input gives the same score.

mod score;

pub use score::{RiskInput, score};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskReason {
    /// Stable identifier, such as `criticality`.
    pub code: String,
    /// What it adds.
    pub points: u32,
    /// What was found, for people.
    pub text: String,
    /// What lessens it, for people.
    pub mitigation: String,
}
