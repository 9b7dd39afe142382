//! What can go wrong on a host.

use refit_journal::Cause;
use refit_names::{Coded, ErrorClass};

/// Why an order cannot be carried out or looked at.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A step of prepare failed.
    #[error("step `{step}` of leg {leg} failed: {}", cause.text)]
    Step {
        /// Which leg, from 0.
        leg: u32,
        /// Which step.
        step: refit_names::StepId,
        /// Why.
        cause: Cause,
    },
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another agent runs.
    #[error("the state folder is locked by process {pid}")]
    Locked {
        /// Its process id.
        pid: String,
    },
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A system call failed.
    #[error("failed to {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Coded for EngineError {
    fn code(&self) -> &'static str {
        "host.step-failed"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}
