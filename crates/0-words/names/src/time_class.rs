//! When in the week work is done.

use serde::{Deserialize, Serialize};
use std::fmt;

/// When in the week work is done: what it costs people, and what users notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeClass {
    /// While people are at work anyway.
    WorkingHours,
    /// Evenings and nights of working days.
    OutOfHours,
    /// Saturdays and Sundays.
    Weekend,
}

impl fmt::Display for TimeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WorkingHours => "working-hours",
            Self::OutOfHours => "out-of-hours",
            Self::Weekend => "weekend",
        })
    }
}
