//! When a schedule is due.

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Weekday, tz::TimeZone};
use refit_protocol::backup::BackupSchedule;

/// A week and a day: every lawful schedule has a moment in it.
const DAYS_LOOKED_AT: usize = 8;

/// The first moment of a schedule after `after`; none for an unknown zone.
///
/// A time of day that a clock change skips is the first moment after the gap; one that comes twice is its first coming.
pub(crate) fn next(schedule: &BackupSchedule, after: Timestamp) -> Option<Timestamp> {
    let zone = TimeZone::get(&schedule.zone).ok()?;
    let first = after.to_zoned(zone.clone()).date();
    let days: Vec<Weekday> = schedule.days.iter().map(|day| Weekday::from(*day)).collect();
    let dates = first.series(1.day()).take(DAYS_LOOKED_AT + 1);
    let wanted = dates.filter(|date| days.is_empty() || days.contains(&date.weekday()));
    let moments = wanted.filter_map(|date| {
        zone.to_ambiguous_zoned(date.to_datetime(schedule.at)).compatible().ok()
    });
    moments.map(|moment| moment.timestamp()).find(|moment| *moment > after)
}

/// How long to wait for the next moment; zero when one was missed since `followed`.
pub(crate) fn wait(
    schedule: &BackupSchedule,
    followed: Option<Timestamp>,
    now: Timestamp,
) -> Option<SignedDuration> {
    let moment = next(schedule, followed.unwrap_or(now))?;
    Some(moment.duration_since(now).max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_protocol::backup::{Day, Retention};

    fn schedule(at: &str, zone: &str, days: Vec<Day>) -> BackupSchedule {
        BackupSchedule {
            at: at.parse().unwrap(),
            zone: zone.to_owned(),
            days,
            quiesce: false,
            proof_every_days: 0,
            keep: Retention::default(),
        }
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn next_moment_is_in_the_schedule_s_own_zone_and_on_its_days() {
        let daily = schedule("02:30", "Europe/Berlin", vec![]);
        let next_of = |schedule: &BackupSchedule, after: &str| next(schedule, moment(after));
        assert_eq!(next_of(&daily, "2026-07-01T00:00:00Z"), Some(moment("2026-07-01T00:30:00Z")));
        assert_eq!(next_of(&daily, "2026-07-01T00:30:00Z"), Some(moment("2026-07-02T00:30:00Z")));
        let sundays = schedule("02:30", "UTC", vec![Day::Sunday]);
        assert_eq!(next_of(&sundays, "2026-07-01T00:00:00Z"), Some(moment("2026-07-05T02:30:00Z")));
        assert_eq!(
            next_of(&schedule("02:30", "Atlantis/Capital", vec![]), "2026-07-01T00:00:00Z"),
            None
        );
    }

    #[test]
    fn skipped_and_doubled_hours_give_one_backup_each() {
        let daily = schedule("02:30", "Europe/Berlin", vec![]);
        // 29 March 2026: 02:00 to 03:00 does not exist; 25 October: it comes twice.
        let spring = next(&daily, moment("2026-03-28T12:00:00Z")).unwrap();
        assert_eq!(spring, moment("2026-03-29T01:30:00Z"));
        let autumn = next(&daily, moment("2026-10-24T12:00:00Z")).unwrap();
        assert_eq!(autumn, moment("2026-10-25T00:30:00Z"));
        assert_eq!(next(&daily, autumn), Some(moment("2026-10-26T01:30:00Z")));
    }

    #[test]
    fn a_moment_that_was_missed_is_made_good_at_once() {
        let daily = schedule("02:30", "UTC", vec![]);
        let now = moment("2026-07-03T12:00:00Z");
        let missed = wait(&daily, Some(moment("2026-07-02T02:30:01Z")), now);
        assert_eq!(missed, Some(SignedDuration::ZERO));
        let fresh = wait(&daily, None, now).unwrap();
        assert_eq!(fresh, SignedDuration::from_mins(14 * 60 + 30));
    }
}
