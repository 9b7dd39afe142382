//! What is assumed of hosts and people where the plan says nothing. docs/simulation.md gives the reasons to people.

use refit_names::{Coded, ErrorClass};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How hosts and people behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assumptions {
    /// Chance that a host fails and is rolled back; none: from its risk and the experience with its role.
    pub failure: Option<Chance>,
    /// Chance that a rollback fails too, so that the host needs a person.
    pub undo_failure: Chance,
    /// Chance that one try to prepare a host fails.
    pub prepare_failure: Chance,
    /// Chance that a host is silent when it is told to go.
    pub unreachable: Chance,
    /// How long a host prepares.
    pub prepare: Duration95,
    /// How long a silent host stays silent.
    pub outage: Duration95,
    /// How long a person takes to decide, in their hours.
    pub decision: Duration95,
    /// The median of a host's duration, in per cent of its p95, where the plan has the p95 only.
    pub p50_of_p95_percent: u32,
    /// When people decide.
    pub hours: WorkingHours,
}

impl Default for Assumptions {
    fn default() -> Self {
        let minutes =
            |p50: u64, p95: u64| Duration95 { p50_ms: p50 * 60_000, p95_ms: p95 * 60_000 };
        Self {
            failure: None,
            undo_failure: Chance::per_million(30_000),
            prepare_failure: Chance::per_million(20_000),
            unreachable: Chance::per_million(5_000),
            prepare: minutes(10, 60),
            outage: minutes(60, 12 * 60),
            decision: minutes(30, 4 * 60),
            p50_of_p95_percent: 60,
            hours: WorkingHours::default(),
        }
    }
}

/// A duration by two of its quantiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duration95 {
    /// Half of them take no longer.
    pub p50_ms: u64,
    /// Nineteen of twenty take no longer.
    pub p95_ms: u64,
}

/// When people are at work: Monday to Friday, the same hours each day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingHours {
    /// IANA time zone.
    pub zone: String,
    /// From this hour of the day on, 0 to 23.
    pub from_hour: i8,
    /// Until just before this hour, 1 to 24.
    pub to_hour: i8,
}

impl Default for WorkingHours {
    fn default() -> Self {
        Self { zone: "UTC".to_owned(), from_hour: 8, to_hour: 18 }
    }
}

/// How often hosts of a role were upgraded, and how often that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Experience {
    /// Upgrades that came to an end.
    pub ended: u32,
    /// Of these, rolled back or in need of a person.
    pub failed: u32,
}

/// A probability, to the millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chance(u32);

/// A text that is not a probability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a chance, expected a percentage from 0% to 100% such as `2%` or `0.5%`")]
pub struct ChanceError {
    /// The text.
    pub found: String,
}

impl Coded for ChanceError {
    fn code(&self) -> &'static str {
        "rehearsal.out-of-range"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl Chance {
    /// Of so many in a million; more count as a million.
    #[must_use]
    pub const fn per_million(millionths: u32) -> Self {
        Self(if millionths > 1_000_000 { 1_000_000 } else { millionths })
    }

    /// The nearest to `share`, which lies between 0 and 1.
    pub(crate) fn near(share: f64) -> Self {
        Self::per_million(libm::round(share.clamp(0.0, 1.0) * 1e6) as u32)
    }

    /// Between 0 and 1.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        if part == 0 {
            return write!(f, "{whole}%");
        }
        let part = format!("{part:04}");
        write!(f, "{whole}.{}%", part.trim_end_matches('0'))
    }
}

impl FromStr for Chance {
    type Err = ChanceError;

    fn from_str(text: &str) -> Result<Self, ChanceError> {
        let wrong = || ChanceError { found: text.to_owned() };
        let number = text.strip_suffix('%').ok_or_else(wrong)?.trim();
        let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let percent: f64 = number.parse().map_err(|_| wrong())?;
        if !plain || !(0.0..=100.0).contains(&percent) {
            return Err(wrong());
        }
        Ok(Self::near(percent / 100.0))
    }
}

impl TryFrom<String> for Chance {
    type Error = ChanceError;
    fn try_from(text: String) -> Result<Self, ChanceError> {
        text.parse()
    }
}

impl From<Chance> for String {
    fn from(chance: Chance) -> Self {
        chance.to_string()
    }
}

/// How many upgrades a role needs before experience weighs as much as the score.
const EXPERIENCE_WEIGHT: f64 = 20.0;

/// Chance of a host without any risk.
const FAILURE_AT_ZERO: f64 = 0.005;

/// So many points of risk double the chance: 0 means 0.5 %, 40 means 2 %, 100 means 16 %.
const POINTS_TO_DOUBLE: f64 = 20.0;

/// The chance that a host fails: from its score, drawn towards what happened to its role.
pub(crate) fn failure(risk: u32, experience: Option<&Experience>) -> Chance {
    let by_risk = FAILURE_AT_ZERO * libm::exp2(f64::from(risk.min(100)) / POINTS_TO_DOUBLE);
    let Some(seen) = experience else { return Chance::near(by_risk) };
    let (ended, failed) = (f64::from(seen.ended), f64::from(seen.failed.min(seen.ended)));
    Chance::near((by_risk * EXPERIENCE_WEIGHT + failed) / (EXPERIENCE_WEIGHT + ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_written_as_they_are_read() {
        for text in ["0%", "2%", "0.5%", "100%", "12.3456%"] {
            assert_eq!(text.parse::<Chance>().unwrap().to_string(), text);
        }
        for text in ["2", "0.02", "-1%", "101%", "two%", "%", "1e1%", "nan%", "inf%"] {
            assert!(text.parse::<Chance>().is_err(), "{text}");
        }
    }

    #[test]
    fn chance_of_failure_doubles_every_twenty_points_and_experience_draws_it() {
        assert_eq!(failure(0, None).to_string(), "0.5%");
        assert_eq!(failure(40, None).to_string(), "2%");
        assert_eq!(failure(100, None).to_string(), "16%");
        let good = Experience { ended: 20, failed: 0 };
        assert_eq!(failure(40, Some(&good)).to_string(), "1%");
        let bad = Experience { ended: 20, failed: 10 };
        assert_eq!(failure(40, Some(&bad)).to_string(), "26%");
    }
}
