//! What people pin to a time.

use jiff::{Timestamp, civil};
use refit_names::HostName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// This host at that time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Which.
    pub host: HostName,
    /// When it starts.
    pub when: PinnedTo,
}

/// When a pinned host starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinnedTo {
    /// On this day, as clocks at its site show it; in UTC when its site says no zone.
    Day(civil::Date),
    /// In the opening that holds this moment.
    Opening(Timestamp),
}

impl fmt::Display for PinnedTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Opening(at) => write!(f, "the opening at {at}"),
        }
    }
}
