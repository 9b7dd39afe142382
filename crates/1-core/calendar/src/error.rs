//! What is wrong with windows and freezes: all of it at once, each with its name.

use jiff::{Timestamp, civil};
use refit_names::{Coded, ErrorClass, WindowName};
use std::fmt;

/// Everything that is wrong with a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarErrors(pub Vec<CalendarError>);

impl fmt::Display for CalendarErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CalendarErrors {}

impl Coded for CalendarErrors {
    fn code(&self) -> &'static str {
        self.0.first().map_or("window.refused", CalendarError::code)
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Two windows with one name.
    #[error("window `{window}` stands {found} times, expected once")]
    DuplicateWindow {
        /// Which.
        window: WindowName,
        /// How often.
        found: usize,
    },
    /// A window of this name is there already.
    #[error(
        "window `{window}` is there already and says otherwise, expected a new name or an order to replace it"
    )]
    Taken {
        /// Which.
        window: WindowName,
    },
    /// Not an IANA zone.
    #[error("window `{window}`: zone `{zone}` is unknown, expected an IANA name{}", meant(.suggestion))]
    UnknownZone {
        /// Which.
        window: WindowName,
        /// What it says.
        zone: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// No length, or more than a week.
    #[error(
        "window `{window}` is open for {minutes} minutes, expected 1 to {}",
        crate::WINDOW_MINUTES_MAX
    )]
    Length {
        /// Which.
        window: WindowName,
        /// How long.
        minutes: u32,
    },
    /// Before or after the years that rules are followed for.
    #[error("window `{window}` starts in the year {year}, expected 1970 to 2199")]
    Year {
        /// Which.
        window: WindowName,
        /// When.
        year: i16,
    },
    /// The rule cannot be read.
    #[error("window `{window}`: rule `{rule}`: {fault}")]
    Rule {
        /// Which.
        window: WindowName,
        /// The whole rule.
        rule: String,
        /// What is wrong with it.
        fault: RuleFault,
    },
    /// No opening for five years.
    #[error("window `{window}` never opens: {why}")]
    NeverOpens {
        /// Which.
        window: WindowName,
        /// Its start and rule, in words.
        why: String,
    },
    /// Opens again while it is open.
    #[error(
        "window `{window}` opens at {second} while it is open since {first} for {minutes} minutes, expected openings that do not overlap"
    )]
    Overlap {
        /// Which.
        window: WindowName,
        /// Start of one opening, local.
        first: civil::DateTime,
        /// Start of the next, local.
        second: civil::DateTime,
        /// How long the first lasts.
        minutes: u32,
    },
    /// Two freezes with one name.
    #[error("freeze `{freeze}` stands {found} times, expected once")]
    DuplicateFreeze {
        /// Which.
        freeze: String,
        /// How often.
        found: usize,
    },
    /// Ends before it begins.
    #[error("freeze `{freeze}` is from {from} until {until}, expected an end after its beginning")]
    EmptyFreeze {
        /// Which.
        freeze: String,
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// Over already.
    #[error("freeze `{freeze}` ends at {until}, expected an end after now, {now:.0}")]
    FreezeOver {
        /// Which.
        freeze: String,
        /// Its end.
        until: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// Nobody would know what it is for.
    #[error("freeze `{freeze}` has no reason, expected why nothing may be changed")]
    NoReason {
        /// Which.
        freeze: String,
    },
    /// It covers something that is nowhere: it would protect nothing.
    #[error(
        "freeze `{freeze}`: {what} `{name}` is not known, expected one that {holders}{}",
        meant(.suggestion)
    )]
    UnknownInScope {
        /// Which.
        freeze: String,
        /// A site, a role or a product.
        what: &'static str,
        /// What it says.
        name: String,
        /// Who would have it.
        holders: &'static str,
        /// What was probably meant.
        suggestion: Option<String>,
    },
}

impl CalendarError {
    /// The page that explains it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DuplicateWindow { .. } | Self::DuplicateFreeze { .. } | Self::Taken { .. } => {
                "window.duplicate"
            }
            Self::UnknownZone { .. } => "window.unknown-zone",
            Self::Rule { .. } => "window.bad-rule",
            Self::NeverOpens { .. } => "window.never-opens",
            Self::Overlap { .. } => "window.overlap",
            Self::Length { .. }
            | Self::Year { .. }
            | Self::EmptyFreeze { .. }
            | Self::FreezeOver { .. }
            | Self::NoReason { .. }
            | Self::UnknownInScope { .. } => "window.refused",
        }
    }

    /// The property of iCal that it is about.
    #[must_use]
    pub const fn property(&self) -> &'static str {
        match self {
            Self::DuplicateWindow { .. } | Self::DuplicateFreeze { .. } | Self::Taken { .. } => {
                "SUMMARY"
            }
            Self::UnknownZone { .. } | Self::Year { .. } => "DTSTART",
            Self::Length { .. } | Self::EmptyFreeze { .. } | Self::FreezeOver { .. } => "DTEND",
            Self::NoReason { .. } | Self::UnknownInScope { .. } => "DESCRIPTION",
            Self::Rule { .. } | Self::NeverOpens { .. } | Self::Overlap { .. } => "RRULE",
        }
    }
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// Not `KEY=VALUE`.
    #[error("part `{0}` is not KEY=VALUE")]
    NotAPart(String),
    /// A key that rules do not have.
    #[error("`{key}` is no part of a rule{}", meant(.suggestion))]
    UnknownKey {
        /// The key.
        key: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A key twice.
    #[error("`{0}` stands twice")]
    Twice(String),
    /// No frequency.
    #[error("`FREQ` is missing, expected DAILY, WEEKLY, MONTHLY or YEARLY")]
    NoFrequency,
    /// Hourly or finer, or no frequency at all.
    #[error("`FREQ={0}`, expected DAILY, WEEKLY, MONTHLY or YEARLY")]
    Frequency(String),
    /// A value outside of what its key takes.
    #[error("`{key}` has `{found}`, expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
    /// Both ends at once.
    #[error("`COUNT` and `UNTIL` stand together, expected one of them")]
    TwoEnds,
    /// `UNTIL` lies before `DTSTART`.
    #[error("`UNTIL={until}` is before its start {starts}")]
    EndsBeforeStart {
        /// The end.
        until: String,
        /// The start.
        starts: civil::DateTime,
    },
    /// Parts that exclude each other.
    #[error("{0}")]
    Combination(String),
}

/// No window of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("window `{window}` is unknown{}", meant(.suggestion))]
pub struct UnknownWindow {
    /// What was asked for.
    pub window: WindowName,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Coded for UnknownWindow {
    fn code(&self) -> &'static str {
        "window.unknown"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// Not an IANA zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("zone `{zone}` is unknown, expected an IANA name{}", meant(.suggestion))]
pub struct UnknownZone {
    /// What was asked for.
    pub zone: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

fn meant(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
