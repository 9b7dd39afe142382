//! When people decide: a delay that runs only in their hours.

use crate::{RehearsalError, WorkingHours};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// Working hours with their zone looked up.
#[derive(Debug, Clone)]
pub(crate) struct Hours {
    zone: TimeZone,
    from: Time,
    /// Of the same day; midnight at its end is written as 23:59:59.999.
    to: Time,
}

/// Days that are looked through for time to work: a weekend and public holidays are far fewer.
const DAYS_MAX: u32 = 400;

impl Hours {
    pub(crate) fn of(hours: &WorkingHours) -> Result<Self, RehearsalError> {
        let wrong = |what, expected: &str, found: String| RehearsalError::OutOfRange {
            what,
            expected: expected.to_owned(),
            found,
        };
        let zone = TimeZone::get(&hours.zone)
            .map_err(|_| wrong("time zone", "an IANA time zone", format!("`{}`", hours.zone)))?;
        let (from, to) = (hours.from_hour, hours.to_hour);
        if !(0..24).contains(&from) || !(1..=24).contains(&to) || from >= to {
            let expected = "from 0 to 23 o'clock, to a later hour up to 24";
            return Err(wrong("working day", expected, format!("from {from} to {to}")));
        }
        let hour = |hour| Time::new(hour, 0, 0, 0).unwrap_or(Time::MAX);
        Ok(Self { zone, from: hour(from), to: if to == 24 { Time::MAX } else { hour(to) } })
    }

    /// The moment after which `work_ms` of working time have passed since `now_ms`.
    pub(crate) fn after(&self, now_ms: i64, work_ms: i64) -> i64 {
        let mut left = work_ms;
        let mut at = self.local(now_ms);
        for _ in 0..DAYS_MAX {
            if let Some((from, to)) = self.day(&at) {
                let from = from.max(now_ms);
                if to - from >= left {
                    return from.max(now_ms) + left;
                }
                left -= (to - from).max(0);
            }
            let Ok(next) = at.tomorrow() else { break };
            at = next;
        }
        now_ms + work_ms
    }

    /// Whether people are at work.
    pub(crate) fn at_work(&self, at_ms: i64) -> bool {
        self.day(&self.local(at_ms)).is_some_and(|(from, to)| (from..to).contains(&at_ms))
    }

    fn local(&self, at_ms: i64) -> Zoned {
        moment(at_ms).to_zoned(self.zone.clone())
    }

    /// Begin and end of work on that day; none at a weekend.
    fn day(&self, at: &Zoned) -> Option<(i64, i64)> {
        if matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday) {
            return None;
        }
        // A clock change in the night moves them with the clock on the wall.
        let ms = |time: Time| {
            let zoned = at.date().to_datetime(time).to_zoned(self.zone.clone()).ok()?;
            Some(zoned.timestamp().as_millisecond())
        };
        Some((ms(self.from)?, ms(self.to)?))
    }
}

/// Milliseconds since 1970 as a moment; the ends of time where it does not fit.
pub(crate) fn moment(ms: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_millis(ms)).unwrap_or(if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_delay_runs_only_in_working_hours() {
        let hours = Hours::of(&WorkingHours::default()).unwrap();
        let hour = 3_600_000;
        // 2026-11-20 is a Friday.
        assert_eq!(hours.after(ms("2026-11-20T09:00:00Z"), hour), ms("2026-11-20T10:00:00Z"));
        assert_eq!(hours.after(ms("2026-11-20T17:30:00Z"), hour), ms("2026-11-23T08:30:00Z"));
        assert_eq!(hours.after(ms("2026-11-21T12:00:00Z"), hour), ms("2026-11-23T09:00:00Z"));
        assert_eq!(hours.after(ms("2026-11-23T03:00:00Z"), 25 * hour), ms("2026-11-25T13:00:00Z"));
        assert!(hours.at_work(ms("2026-11-20T09:00:00Z")));
        assert!(!hours.at_work(ms("2026-11-20T18:00:00Z")));
        assert!(!hours.at_work(ms("2026-11-21T09:00:00Z")));
    }

    #[test]
    fn hours_that_make_no_sense_are_refused() {
        let wrong = |from_hour, to_hour, zone: &str| {
            Hours::of(&WorkingHours { zone: zone.to_owned(), from_hour, to_hour }).unwrap_err()
        };
        assert_eq!(
            wrong(18, 8, "UTC").to_string(),
            "working day is from 18 to 8, expected from 0 to 23 o'clock, to a later hour up to 24"
        );
        assert_eq!(
            wrong(8, 18, "Mars/Olympus").to_string(),
            "time zone is `Mars/Olympus`, expected an IANA time zone"
        );
    }
}
