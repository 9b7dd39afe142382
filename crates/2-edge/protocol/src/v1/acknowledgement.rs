//! What people say to advisory findings.

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
