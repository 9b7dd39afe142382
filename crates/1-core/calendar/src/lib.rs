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
mod words;
mod zone;

pub mod ics;

pub use calendar::Calendar;
pub use error::{CalendarError, CalendarErrors, RuleFault, UnknownWindow, UnknownZone};
pub use local::{local, moment};
pub use words::in_words;

pub use refit_plan::{Freeze, Scope, Window};

use refit_names::{ProductName, RoleName, SiteName};

/// Longest window in minutes: a week. Whatever needs longer is no maintenance window but the absence of one.
pub const WINDOW_MINUTES_MAX: u32 = 7 * 24 * 60;
/// A window that does not open for so many years never does: the longest gap of a sensible rule is 29 February.
pub const SEARCH_YEARS: i16 = 5;

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
