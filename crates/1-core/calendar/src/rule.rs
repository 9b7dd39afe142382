//! Recurrence rules: read strictly, all faults at once, then followed by the `rrule` library in floating time.
//!
//! The library is lenient where a window must not be (`BYDAY=xMO` becomes every Monday there), and its own zones
//! repeat and skip times at clock changes. So parts are checked here, and it never sees a zone: it counts local times
//! as if they were UTC, and `local` turns each into a moment.

use crate::RuleFault;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use rrule::{RRuleSet, RRuleSetIter};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const KEYS: &[&str] = &[
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYSETPOS",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
];
/// Keys with lists of numbers: what they may hold, whether counting from the end is allowed.
const NUMBERS: &[(&str, RangeInclusive<i32>, bool, &str)] = &[
    ("BYSETPOS", 1..=366, true, "1 to 366 or -366 to -1"),
    ("BYMONTH", 1..=12, false, "1 to 12"),
    ("BYMONTHDAY", 1..=31, true, "1 to 31 or -31 to -1"),
    ("BYYEARDAY", 1..=366, true, "1 to 366 or -366 to -1"),
    ("BYWEEKNO", 1..=53, true, "1 to 53 or -53 to -1"),
    ("BYHOUR", 0..=23, false, "0 to 23"),
    ("BYMINUTE", 0..=59, false, "0 to 59"),
    ("BYSECOND", 0..=59, false, "0 to 59"),
];
const DAYS: &[&str] = &["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// A rule that can be followed.
pub(crate) struct Rule {
    set: RRuleSet,
    until: Option<Until>,
}

/// The last start that the rule allows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Local(DateTime),
    Moment(Timestamp),
}

impl Until {
    /// Whether an opening at local time `start`, which is the moment `opens`, is after the end.
    pub(crate) fn is_over(self, start: DateTime, opens: Timestamp) -> bool {
        match self {
            Self::Local(last) => start > last,
            Self::Moment(last) => opens > last,
        }
    }
}

impl Rule {
    /// Reads a rule that counts from `starts`; every fault that can be seen by itself is reported.
    pub(crate) fn parse(
        text: &str,
        starts: DateTime,
        zone: &TimeZone,
    ) -> Result<Self, Vec<RuleFault>> {
        let (parts, mut faults) = parts(text);
        check_frequency(&parts, &mut faults);
        check_counts(&parts, &mut faults);
        for (key, range, both_ways, expected) in NUMBERS {
            let Some(list) = parts.get(key) else { continue };
            let wrong = list.split(',').find(|n| !is_number(n, range, *both_ways));
            faults.extend(wrong.map(|found| value(key, found, expected)));
        }
        check_days(&parts, &mut faults);
        let others = || parts.keys().any(|key| key.starts_with("BY") && *key != "BYSETPOS");
        if parts.contains_key("BYSETPOS") && !others() {
            faults.push(RuleFault::Combination(
                "`BYSETPOS` stands alone, expected another BY part".to_owned(),
            ));
        }
        let until = check_until(&parts, starts, zone, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let rule = for_library(parts)?;
        let floating = starts.strftime("%Y%m%dT%H%M%SZ");
        let set: RRuleSet = format!("DTSTART:{floating}\nRRULE:{rule}")
            .parse()
            .map_err(|error: rrule::RRuleError| vec![RuleFault::Combination(plain(&error))])?;
        Ok(Self { set: set.limit(), until })
    }

    pub(crate) fn starts(&self) -> Starts {
        Starts(self.set.into_iter())
    }

    pub(crate) const fn until(&self) -> Option<Until> {
        self.until
    }
}

/// The rule as the library takes it: without its end, which is judged by moments here.
///
/// The library refuses `-5` in monthly rules, so those are written as yearly ones over all months where that is the same.
fn for_library(mut parts: BTreeMap<&'static str, String>) -> Result<String, Vec<RuleFault>> {
    parts.remove("UNTIL");
    let fifth_last = parts.get("BYDAY").is_some_and(|days| days.contains("-5"));
    if fifth_last && parts.get("FREQ").is_some_and(|frequency| frequency == "MONTHLY") {
        if parts.contains_key("BYSETPOS") || parts.get("INTERVAL").is_some_and(|every| every != "1")
        {
            let what = "`-5` in `BYDAY` of a monthly rule stands with `INTERVAL` or `BYSETPOS`, expected neither";
            return Err(vec![RuleFault::Combination(what.to_owned())]);
        }
        parts.insert("FREQ", "YEARLY".to_owned());
        parts.entry("BYMONTH").or_insert_with(|| "1,2,3,4,5,6,7,8,9,10,11,12".to_owned());
    }
    let parts: Vec<String> = parts.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok(parts.join(";"))
}

/// The local times of a rule, in order, without its `UNTIL`.
pub(crate) struct Starts(RRuleSetIter);

impl Iterator for Starts {
    type Item = DateTime;
    fn next(&mut self) -> Option<DateTime> {
        let floating = Timestamp::from_second(self.0.next()?.timestamp()).ok()?;
        Some(TimeZone::UTC.to_datetime(floating))
    }
}

fn parts(text: &str) -> (BTreeMap<&'static str, String>, Vec<RuleFault>) {
    let (mut parts, mut faults) = (BTreeMap::new(), Vec::new());
    let text = text.trim().to_ascii_uppercase();
    let text = text.strip_prefix("RRULE:").unwrap_or(&text);
    // Some calendars end a rule with a semicolon.
    for part in text.strip_suffix(';').unwrap_or(text).split(';') {
        let Some((key, value)) = part.split_once('=').filter(|(_, value)| !value.is_empty()) else {
            faults.push(RuleFault::NotAPart(part.to_owned()));
            continue;
        };
        let Some(known) = KEYS.iter().find(|known| **known == key) else {
            let near = KEYS.iter().map(|known| (strsim::jaro_winkler(key, known), known));
            let near = near.max_by(|(one, _), (other, _)| one.total_cmp(other));
            let suggestion =
                near.filter(|(like, _)| *like > 0.8).map(|(_, name)| (*name).to_owned());
            faults.push(RuleFault::UnknownKey { key: key.to_owned(), suggestion });
            continue;
        };
        if parts.insert(*known, value.to_owned()).is_some() {
            faults.push(RuleFault::Twice((*known).to_owned()));
        }
    }
    (parts, faults)
}

fn check_frequency(parts: &BTreeMap<&str, String>, faults: &mut Vec<RuleFault>) {
    match parts.get("FREQ").map(String::as_str) {
        Some("DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY") => {}
        Some(other) => faults.push(RuleFault::Frequency(other.to_owned())),
        None => faults.push(RuleFault::NoFrequency),
    }
}

fn check_counts(parts: &BTreeMap<&str, String>, faults: &mut Vec<RuleFault>) {
    if let Some(found) = parts.get("INTERVAL").filter(|n| !is_number(n, &(1..=9999), false)) {
        faults.push(value("INTERVAL", found, "1 to 9999"));
    }
    if let Some(found) = parts.get("COUNT").filter(|n| !is_number(n, &(1..=99_999), false)) {
        faults.push(value("COUNT", found, "1 to 99999"));
    }
    if let Some(found) = parts.get("WKST").filter(|day| !DAYS.contains(&day.as_str())) {
        faults.push(value("WKST", found, "MO, TU, WE, TH, FR, SA or SU"));
    }
    if parts.contains_key("COUNT") && parts.contains_key("UNTIL") {
        faults.push(RuleFault::TwoEnds);
    }
}

fn check_days(parts: &BTreeMap<&str, String>, faults: &mut Vec<RuleFault>) {
    const EXPECTED: &str = "days such as MO, or 2MO and -1FR in a monthly or yearly rule";
    let Some(list) = parts.get("BYDAY") else { return };
    let frequency = parts.get("FREQ").map(String::as_str);
    let counted = match frequency {
        Some("MONTHLY") => 5,
        Some("YEARLY") if !parts.contains_key("BYWEEKNO") => 53,
        _ => 0,
    };
    let good = |day: &&str| {
        let Some((nth, name)) = day.len().checked_sub(2).and_then(|at| day.split_at_checked(at))
        else {
            return false;
        };
        DAYS.contains(&name) && (nth.is_empty() || is_number(nth, &(1..=counted), true))
    };
    let wrong = list.split(',').find(|day| !good(day));
    faults.extend(wrong.map(|found| value("BYDAY", found, EXPECTED)));
}

fn check_until(
    parts: &BTreeMap<&str, String>,
    starts: DateTime,
    zone: &TimeZone,
    faults: &mut Vec<RuleFault>,
) -> Option<Until> {
    let text = parts.get("UNTIL")?;
    let Some(until) = read_until(text) else {
        faults.push(value(
            "UNTIL",
            text,
            "a day 20261231, a local time 20261231T235959 or UTC 20261231T235959Z",
        ));
        return None;
    };
    let first = crate::local::opens_at(starts, zone);
    if first.is_some_and(|opens| until.is_over(starts, opens)) {
        faults.push(RuleFault::EndsBeforeStart { until: text.clone(), starts });
    }
    Some(until)
}

fn read_until(text: &str) -> Option<Until> {
    if let Some(utc) = text.strip_suffix('Z') {
        let at = DateTime::strptime("%Y%m%dT%H%M%S", utc).ok()?;
        return TimeZone::UTC.to_timestamp(at).ok().map(Until::Moment);
    }
    if text.len() == 8 {
        // A day alone is its beginning, as dateutil reads it: in doubt a window stays closed.
        let day = Date::strptime("%Y%m%d", text).ok()?;
        return Some(Until::Local(day.to_datetime(civil::Time::midnight())));
    }
    DateTime::strptime("%Y%m%dT%H%M%S", text).ok().map(Until::Local)
}

fn is_number(text: &str, range: &RangeInclusive<i32>, both_ways: bool) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain =
        !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    let signed = digits.len() != text.len();
    let number = digits.parse::<i32>().unwrap_or(-1);
    plain && (both_ways || !signed) && range.contains(&number)
}

fn value(key: &'static str, found: &str, expected: &'static str) -> RuleFault {
    RuleFault::Value { key, found: found.to_owned(), expected }
}

/// The library's sentence without its advice and full stop.
fn plain(error: &rrule::RRuleError) -> String {
    let text = refit_names::chain(error);
    let text = text
        .trim_start_matches("RRule validation error: ")
        .trim_start_matches("RRule parsing error: ");
    text.trim_end_matches('.').to_owned()
}
