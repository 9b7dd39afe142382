//! When servers may be changed, and when nothing may: windows and freezes in IANA zones.
//!
//! Here: recurring windows (RFC 5545), their openings as exact moments over clock changes, freezes cut out, iCal in and out.
//! Deliberately not here: the time (it is told), who works when (`planner`), where windows are stored (`3-world/store`).
//! Called by: planner, plan-check, server, cli, documents. Never by the agent: an order carries absolute moments.
//!
//! Invariants:
//! 1. A [`Calendar`] that exists is valid: every window has a known zone, a rule that opens, and openings that do not overlap.
//! 2. Openings come sorted, never overlap, and lie in no freeze that covers the place.
//! 3. An opening is exactly as long as its window says, whatever clocks do, unless the window's own next opening or a freeze cuts it.
//! 4. Zones come from the data built into the program: the same answer on every machine.

mod calendar;
mod error;
mod expansion;
mod local;
mod rule;
mod zone;

pub mod ics;

pub use calendar::Calendar;
pub use error::{CalendarError, CalendarErrors, RuleFault, UnknownWindow};
pub use local::local;

use jiff::{Timestamp, civil};
use refit_names::{ProductName, RoleName, SiteName, TimeClass, WindowName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest window in minutes: a week. Whatever needs longer is no maintenance window but the absence of one.
pub const WINDOW_MINUTES_MAX: u32 = 7 * 24 * 60;
/// A window that does not open for so many years never does: the longest gap of a sensible rule is 29 February.
pub const SEARCH_YEARS: i16 = 5;

/// A time, once or again and again, in which hosts may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name.
    pub name: WindowName,
    /// What people say about it.
    #[serde(default)]
    pub about: String,
    /// The IANA time zone in which its times are meant.
    pub zone: String,
    /// Where the rule counts from and the time of day at which it opens (`DTSTART`).
    pub starts: civil::DateTime,
    /// When it opens again (`RRULE`), `FREQ` daily or coarser; none means once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How long it stays open, in minutes of real time.
    pub minutes: u32,
    /// What kind of time that is.
    pub class: TimeClass,
    /// Local days on which the rule does not open it (`EXDATE`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<civil::Date>,
    /// Local times at which it opens besides the rule (`RDATE`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extra: BTreeSet<civil::DateTime>,
}

/// A time in which nothing in its scope may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// From this moment on.
    pub from: Timestamp,
    /// Until just before this moment.
    pub until: Timestamp,
    /// What it covers.
    #[serde(default)]
    pub scope: Scope,
    /// Why.
    pub reason: String,
}

/// What a freeze covers: what is in all its sets; an empty set means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only these sites.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sites: BTreeSet<SiteName>,
    /// Only hosts of these roles.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<RoleName>,
    /// Only these products.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub products: BTreeSet<ProductName>,
}

/// What is to be changed, as far as freezes ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Where the host stands.
    pub site: &'a SiteName,
    /// What it does.
    pub role: &'a RoleName,
    /// What would be upgraded on it.
    pub product: &'a ProductName,
}

impl Scope {
    /// Whether `place` is in it.
    #[must_use]
    pub fn covers(&self, place: &Place<'_>) -> bool {
        (self.sites.is_empty() || self.sites.contains(place.site))
            && (self.roles.is_empty() || self.roles.contains(place.role))
            && (self.products.is_empty() || self.products.contains(place.product))
    }
}
