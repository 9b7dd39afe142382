//! Why a plan cannot be rehearsed.

use refit_names::{Coded, ErrorClass};
use refit_plan::HashError;
use refit_rollout::IllegalMove;

/// Why a plan cannot be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// Nothing to run.
    #[error("plan of rollout `{rollout}` has no hosts that have not begun, expected at least one")]
    NoHosts {
        /// The rollout.
        rollout: String,
    },
    /// A number that makes no sense.
    #[error("{what} is {found}, expected {expected}")]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// What is possible.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// Never in practice: all keys are texts.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The state machine refuses the plan, or a move of this world.
    #[error("rehearsal stops in run {run}, {after_ms} ms after its begin")]
    Refused {
        /// Which run, from 0.
        run: u32,
        /// When.
        after_ms: i64,
        /// Why.
        #[source]
        source: IllegalMove,
    },
    /// A run that does not end.
    #[error("run {run} made {moves} moves without coming to an end, expected fewer")]
    Endless {
        /// Which run, from 0.
        run: u32,
        /// How many.
        moves: u64,
    },
}

impl Coded for RehearsalError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoHosts { .. } => "rehearsal.no-hosts",
            Self::OutOfRange { .. } => "rehearsal.out-of-range",
            Self::Hash(_) | Self::Refused { .. } | Self::Endless { .. } => "rehearsal.stopped",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoHosts { .. } | Self::OutOfRange { .. } => ErrorClass::NeedsOperator,
            Self::Hash(_) | Self::Refused { .. } | Self::Endless { .. } => ErrorClass::Permanent,
        }
    }
}
