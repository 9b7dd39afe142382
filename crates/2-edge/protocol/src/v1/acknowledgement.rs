//! What people say to advisory findings.

use crate::agent::RunEvidence;
use jiff::Timestamp;
use refit_names::{HostName, PersonName, StepId};
use serde::{Deserialize, Serialize};

/// An advisory check of a host whose finding a named person takes, with the reason. It stands in the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Of which host.
    pub host: HostName,
    /// The step that checks.
    pub step: StepId,
    /// Who takes it.
    pub by: PersonName,
    /// When.
    pub at: Timestamp,
    /// Why it may be so.
    pub reason: String,
}

/// An advisory step that failed on a host. The order went on; before the host is signed for, people take it or mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvisoryFinding {
    /// The step.
    pub step: StepId,
    /// Which leg, from 0.
    pub leg: u32,
    /// What it found.
    pub found: String,
    /// Who takes it, and why; none: nobody yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Acknowledgement>,
}

impl AdvisoryFinding {
    /// The findings of a host's evidence, each with what people said to it.
    pub fn of(evidence: &RunEvidence, taken: &[Acknowledgement]) -> Vec<Self> {
        let found = evidence.findings().into_iter().map(|record| Self {
            step: record.step.clone(),
            leg: record.leg,
            found: record.note.clone(),
            taken: taken.iter().find(|taken| taken.step == record.step).cloned(),
        });
        found.collect()
    }
}
