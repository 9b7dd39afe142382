//! Errors on the wire: `application/problem+json` (RFC 9457).

use refit_inventory::FleetFault;
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error that a client gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:refit:error:CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code, with a page in `docs/errors/CODE.md`.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// One line.
    pub title: String,
    /// The whole chain: what, where, expected, found.
    pub detail: String,
    /// Faults of records that were sent, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FleetFault>,
}

impl Problem {
    /// Makes a problem of its parts.
    #[must_use]
    pub fn new(code: &str, status: u16, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:refit:error:{code}"),
            code: code.to_owned(),
            status,
            title: title.to_owned(),
            detail: detail.into(),
            faults: Vec::new(),
        }
    }
}
