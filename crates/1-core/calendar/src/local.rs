//! From local times to moments, also where clocks skip or repeat an hour.

use crate::UnknownZone;
use crate::zone::zone;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

/// The moment at which a window opens whose local time is `at`.
///
/// A time that clocks skip opens at the first moment after the gap; a time that they show twice opens at the first
/// of the two (D-0014). None: beyond what a timestamp can hold.
pub(crate) fn opens_at(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(at);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(at).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(at).ok(),
        AmbiguousOffset::Gap { before, after } => {
            // Read with the offset before the gap it lies after the change, with the one after it lies before.
            let beyond = before.to_timestamp(at).ok()?;
            let short = after.to_timestamp(at).ok()?;
            let mut changes = zone.following(short);
            changes.next().map(|change| change.timestamp()).filter(|change| *change <= beyond)
        }
    }
}

/// A moment as clocks in the IANA zone `name` show it; none when there is no such zone.
#[must_use]
pub fn local(at: Timestamp, name: &str) -> Option<Zoned> {
    zone(name).ok().map(|zone| at.to_zoned(zone))
}

/// The moment that a local time in the IANA zone `name` means, by the rule for openings; none: beyond the calendar.
///
/// # Errors
/// [`UnknownZone`].
pub fn moment(at: DateTime, name: &str) -> Result<Option<Timestamp>, UnknownZone> {
    let zone =
        zone(name).map_err(|suggestion| UnknownZone { zone: name.to_owned(), suggestion })?;
    Ok(opens_at(at, &zone))
}
