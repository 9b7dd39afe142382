//! Values of properties: times, durations, texts.

use super::IcsError;
use super::lines::Line;
use crate::zone::zone;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time as a property states it.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    pub(crate) at: DateTime,
    /// IANA name.
    pub(crate) zone: String,
    /// Only a day was given.
    pub(crate) whole_day: bool,
}

impl Time {
    /// The moment, by the rule for openings.
    pub(crate) fn moment(&self) -> Option<Timestamp> {
        zone(&self.zone).ok().and_then(|zone| crate::local::opens_at(self.at, &zone))
    }

    /// The same moment as clocks in another zone show it.
    pub(crate) fn shown_in(&self, name: &str) -> DateTime {
        if self.zone == name || self.whole_day {
            return self.at;
        }
        let there = zone(name).ok().zip(self.moment());
        there.map_or(self.at, |(zone, moment)| zone.to_datetime(moment))
    }
}

/// Reads the times of a property; those without a zone are meant in `floating`.
pub(crate) fn times(line: &Line, floating: &str) -> Result<Vec<Time>, Vec<IcsError>> {
    let mut faults = Vec::new();
    let stated =
        line.parameter("TZID").map_or_else(|| Ok(floating.to_owned()), |id| zone_of(line, id));
    let stated = stated.unwrap_or_else(|fault| {
        faults.push(fault);
        floating.to_owned()
    });
    let mut read = Vec::new();
    for text in line.value.split(',') {
        match time(line, text.trim(), &stated) {
            Ok(time) => read.push(time),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

/// Reads the only time of a property.
pub(crate) fn one_time(line: &Line, floating: &str) -> Result<Time, Vec<IcsError>> {
    let mut all = times(line, floating)?.into_iter();
    match (all.next(), all.next()) {
        (Some(time), None) => Ok(time),
        _ => Err(vec![line.fault(format!("`{}` has several times, expected one", line.value))]),
    }
}

fn time(line: &Line, text: &str, stated: &str) -> Result<Time, IcsError> {
    let whole = |at: DateTime, zone: &str, whole_day| Time { at, zone: zone.to_owned(), whole_day };
    let utc = text.strip_suffix('Z').map(|text| (text, "UTC"));
    let (digits, zone) = utc.unwrap_or((text, stated));
    let read = if digits.len() == 8 && utc.is_none() {
        Date::strptime("%Y%m%d", digits)
            .map(|day| whole(day.to_datetime(jiff::civil::Time::midnight()), zone, true))
    } else {
        DateTime::strptime("%Y%m%dT%H%M%S", digits).map(|at| whole(at, zone, false))
    };
    let expected = "expected 20260103T220000, 20260103T220000Z or 20260103";
    read.map_err(|_| line.fault(format!("`{text}` is no time, {expected}")))
}

/// A zone that a `TZID` names: as it is, or behind a prefix such as `/mozilla.org/20050126_1/`.
fn zone_of(line: &Line, id: &str) -> Result<String, IcsError> {
    let mut tails = id.match_indices('/').map(|(at, _)| &id[at + 1..]);
    if zone(id).is_ok() {
        return Ok(id.to_owned());
    }
    if let Some(tail) = tails.find(|tail| zone(tail).is_ok()) {
        return Ok(tail.to_owned());
    }
    let meant = zone(id).err().flatten();
    let meant = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    Err(line.fault(format!("zone `{id}` is unknown, expected an IANA name{meant}")))
}

/// Reads `P1DT6H` and the like.
pub(crate) fn duration(line: &Line) -> Result<SignedDuration, IcsError> {
    let wrong =
        || line.fault(format!("`{}` is no duration, expected such as PT6H or P1D", line.value));
    let text = line.value.trim().strip_prefix('+').unwrap_or(line.value.trim());
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(wrong());
    }
    // Days of a window's length are 24 hours: lengths are real time.
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let rest = span.days(0).weeks(0);
    let rest = rest
        .to_duration(&jiff::Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC))
        .map_err(|_| wrong())?;
    days.checked_mul(24)
        .and_then(|hours| rest.checked_add(SignedDuration::from_hours(hours)))
        .ok_or_else(wrong)
}

/// A text without its escapes.
pub(crate) fn text(line: &Line) -> String {
    let mut out = String::with_capacity(line.value.len());
    let mut chars = line.value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            (c, false) => out.push(c),
        }
    }
    out
}
