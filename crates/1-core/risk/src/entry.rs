//! What people say of a host's risk.

use jiff::{Timestamp, civil::Date};
use refit_names::{HostName, PersonName};
use serde::{Deserialize, Serialize};

/// Likelihood or impact: 1 (hardly) to 5 (surely, or the business stands still).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Level(u8);

/// A level that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("level {found} is out of range, expected 1 to 5")]
pub struct LevelError {
    /// What was found.
    pub found: u8,
}

impl Level {
    /// The lowest.
    pub const MIN: Self = Self(1);
    /// The highest.
    pub const MAX: Self = Self(5);

    /// Reads a level.
    ///
    /// # Errors
    /// [`LevelError`] outside 1 to 5.
    pub const fn new(found: u8) -> Result<Self, LevelError> {
        if found >= 1 && found <= 5 { Ok(Self(found)) } else { Err(LevelError { found }) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// All five, the lowest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (1..=5).map(Self)
    }
}

impl TryFrom<u8> for Level {
    type Error = LevelError;
    fn try_from(found: u8) -> Result<Self, LevelError> {
        Self::new(found)
    }
}
impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.0
    }
}
impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How likely and how bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// How likely it is.
    pub likelihood: Level,
    /// How bad it would be.
    pub impact: Level,
}

impl Exposure {
    /// Likelihood times impact: 1 to 25.
    #[must_use]
    pub const fn product(self) -> u32 {
        self.likelihood.get() as u32 * self.impact.get() as u32
    }
}

/// A risk of one host, as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskEntry {
    /// Its number, unique on this server.
    pub id: u64,
    /// The host.
    pub host: HostName,
    /// What may happen.
    pub text: String,
    /// How likely and how bad, if nothing is done.
    pub exposure: Exposure,
    /// What is to be done about it; empty while nobody knows.
    #[serde(default)]
    pub mitigation: String,
    /// Where it stands.
    pub status: RiskStatus,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<PersonName>,
    /// Until when it should be dealt with.
    #[serde(default)]
    pub due: Option<Date>,
    /// Who said it.
    pub by: PersonName,
    /// When.
    pub at: Timestamp,
}

/// Where a risk stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RiskStatus {
    /// Nothing was done yet.
    Open,
    /// Something was done; what is left counts.
    Mitigated {
        /// How likely and how bad it is now.
        left: Exposure,
        /// Who did it.
        by: PersonName,
        /// When.
        at: Timestamp,
    },
    /// Borne as it is: it counts in full.
    Accepted {
        /// Why.
        reason: String,
        /// Who said so.
        by: PersonName,
        /// When.
        at: Timestamp,
    },
}

impl RiskStatus {
    /// In one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mitigated { .. } => "mitigated",
            Self::Accepted { .. } => "accepted",
        }
    }
}

impl RiskEntry {
    /// How likely and how bad it is now: after its mitigation, if there was one.
    #[must_use]
    pub const fn now(&self) -> Exposure {
        match &self.status {
            RiskStatus::Mitigated { left, .. } => *left,
            RiskStatus::Open | RiskStatus::Accepted { .. } => self.exposure,
        }
    }
}
