//! Windows over clock changes, freezes, and what is refused.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use refit_calendar::{Calendar, Freeze, Place, Scope, Window};
use refit_names::{ProductName, RoleName, SiteName, TimeClass, WindowName};
use std::collections::BTreeSet;

fn window(name: &str, zone: &str, starts: &str, rule: Option<&str>, minutes: u32) -> Window {
    Window {
        name: WindowName::parse(name).unwrap(),
        about: String::new(),
        zone: zone.to_owned(),
        starts: starts.parse().unwrap(),
        rule: rule.map(str::to_owned),
        minutes,
        class: TimeClass::Weekend,
        except: BTreeSet::new(),
        extra: BTreeSet::new(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn freeze(name: &str, from: &str, until: &str, scope: Scope) -> Freeze {
    Freeze {
        name: name.to_owned(),
        from: at(from),
        until: at(until),
        scope,
        reason: "close of the year".to_owned(),
    }
}

struct Names(SiteName, RoleName, ProductName);

fn names() -> Names {
    Names(
        SiteName::parse("north").unwrap(),
        RoleName::parse("app").unwrap(),
        ProductName::parse("ledger").unwrap(),
    )
}

impl Names {
    fn place(&self) -> Place<'_> {
        Place { site: &self.0, role: &self.1, product: &self.2 }
    }
}

/// Openings as `from/until` in UTC.
fn openings(windows: Vec<Window>, freezes: Vec<Freeze>, from: &str, until: &str) -> Vec<String> {
    let name = windows[0].name.clone();
    let calendar = Calendar::new(windows, freezes).unwrap();
    let names = names();
    let found = calendar.openings(&name, &names.place(), at(from), at(until)).unwrap();
    found.iter().map(|o| format!("{}/{}", o.opens_at, o.closes_at)).collect()
}

fn refusals(windows: Vec<Window>) -> Vec<String> {
    Calendar::new(windows, Vec::new()).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn night_over_a_clock_change_keeps_its_real_length() {
    let weekly =
        window("w", "Europe/Berlin", "2026-01-03T22:00:00", Some("FREQ=WEEKLY;BYDAY=SA"), 360);
    let spring =
        openings(vec![weekly.clone()], vec![], "2026-03-28T00:00:00Z", "2026-04-05T00:00:00Z");
    assert_eq!(
        spring,
        ["2026-03-28T21:00:00Z/2026-03-29T03:00:00Z", "2026-04-04T20:00:00Z/2026-04-05T02:00:00Z"]
    );
    let autumn = openings(vec![weekly], vec![], "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z");
    assert_eq!(autumn, ["2026-10-24T20:00:00Z/2026-10-25T02:00:00Z"]);
}

#[test]
fn skipped_start_opens_after_the_gap_and_doubled_start_at_its_first() {
    let daily = window("w", "Europe/Berlin", "2026-01-01T02:30:00", Some("FREQ=DAILY"), 60);
    let gap = openings(vec![daily.clone()], vec![], "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
    assert_eq!(gap, ["2026-03-29T01:00:00Z/2026-03-29T02:00:00Z"]);
    let fold = openings(vec![daily], vec![], "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z");
    assert_eq!(fold, ["2026-10-25T00:30:00Z/2026-10-25T01:30:00Z"]);
    // Samoa left out 30 December 2011 altogether.
    let samoa = window("w", "Pacific/Apia", "2011-12-29T12:00:00", Some("FREQ=DAILY;COUNT=3"), 60);
    let found = openings(vec![samoa], vec![], "2011-12-01T00:00:00Z", "2012-02-01T00:00:00Z");
    assert_eq!(
        found,
        [
            "2011-12-29T22:00:00Z/2011-12-29T23:00:00Z",
            "2011-12-30T10:00:00Z/2011-12-30T11:00:00Z",
            "2011-12-30T22:00:00Z/2011-12-30T23:00:00Z"
        ]
    );
}

#[test]
fn whole_days_meet_and_never_overlap_where_a_day_has_23_hours() {
    let daily = window("w", "Europe/Berlin", "2026-03-01T00:00:00", Some("FREQ=DAILY"), 24 * 60);
    let found = openings(vec![daily], vec![], "2026-03-28T23:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(
        found,
        ["2026-03-28T23:00:00Z/2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z/2026-03-30T22:00:00Z"]
    );
}

#[test]
fn freeze_is_cut_out_where_its_scope_covers_the_place() {
    let nightly = window("w", "UTC", "2026-12-01T20:00:00", Some("FREQ=DAILY"), 240);
    let all = freeze("all", "2026-12-02T00:00:00Z", "2026-12-03T22:00:00Z", Scope::default());
    let middle = freeze(
        "middle",
        "2026-12-04T21:00:00Z",
        "2026-12-04T22:00:00Z",
        Scope { sites: BTreeSet::from([SiteName::parse("north").unwrap()]), ..Scope::default() },
    );
    let elsewhere = freeze(
        "elsewhere",
        "2026-12-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
        Scope {
            sites: BTreeSet::from([SiteName::parse("north").unwrap()]),
            roles: BTreeSet::from([RoleName::parse("database").unwrap()]),
            ..Scope::default()
        },
    );
    let found = openings(
        vec![nightly],
        vec![all, middle, elsewhere],
        "2026-12-01T00:00:00Z",
        "2026-12-05T00:00:00Z",
    );
    assert_eq!(
        found,
        [
            "2026-12-01T20:00:00Z/2026-12-02T00:00:00Z",
            "2026-12-03T22:00:00Z/2026-12-04T00:00:00Z",
            "2026-12-04T20:00:00Z/2026-12-04T21:00:00Z",
            "2026-12-04T22:00:00Z/2026-12-05T00:00:00Z",
        ]
    );
}

#[test]
fn exceptions_and_extra_times_change_single_days() {
    let mut weekly = window(
        "w",
        "Europe/Berlin",
        "2026-01-03T22:00:00",
        Some("FREQ=WEEKLY;BYDAY=SA;COUNT=3"),
        60,
    );
    weekly.except.insert(date(2026, 1, 10));
    weekly.extra.insert("2026-01-14T12:00:00".parse::<DateTime>().unwrap());
    weekly.extra.insert("2026-01-17T22:00:00".parse::<DateTime>().unwrap());
    let found = openings(vec![weekly], vec![], "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let starts: Vec<&str> = found.iter().map(|o| &o[..16]).collect();
    assert_eq!(starts, ["2026-01-03T21:00", "2026-01-14T11:00", "2026-01-17T21:00"]);
}

#[test]
fn next_opening_and_is_open_agree_with_openings() {
    let weekly =
        window("w", "Europe/Berlin", "2026-01-03T22:00:00", Some("FREQ=WEEKLY;BYDAY=SA"), 60);
    let rare = window(
        "rare",
        "UTC",
        "2024-02-29T01:00:00",
        Some("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
        60,
    );
    let once = window("once", "UTC", "2026-01-01T00:00:00", None, 60);
    let calendar = Calendar::new(vec![weekly.clone(), rare.clone(), once.clone()], vec![]).unwrap();
    let names = names();
    let next = |name: &WindowName, after: &str| {
        let next = calendar.next_opening(name, &names.place(), at(after)).unwrap();
        next.map(|opening| opening.opens_at.to_string())
    };
    let open = |moment: &str| calendar.is_open(&weekly.name, &names.place(), at(moment)).unwrap();
    assert!(!open("2026-01-03T20:59:59Z") && open("2026-01-03T21:00:00Z"));
    assert!(open("2026-01-03T21:59:59.999Z") && !open("2026-01-03T22:00:00Z"));
    assert_eq!(next(&weekly.name, "2026-01-03T21:00:00Z").as_deref(), Some("2026-01-10T21:00:00Z"));
    assert_eq!(next(&rare.name, "2025-01-01T00:00:00Z").as_deref(), Some("2028-02-29T01:00:00Z"));
    assert_eq!(next(&once.name, "2026-01-01T00:00:00Z"), None);
    let unknown = calendar.is_open(
        &WindowName::parse("onse").unwrap(),
        &names.place(),
        at("2026-01-01T00:00:00Z"),
    );
    assert_eq!(unknown.unwrap_err().to_string(), "window `onse` is unknown; did you mean `once`?");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let said = refusals(vec![
        window("a", "Europe/Berln", "2026-01-03T22:00:00", Some("FREQ=HOURLY;BYDAY=XX;FOO=1"), 0),
        window("b", "UTC", "2026-01-01T00:00:00", Some("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), 60),
        window("c", "UTC", "2026-01-01T20:00:00", Some("FREQ=DAILY"), 1500),
        window("d", "UTC", "2026-01-01T20:00:00", Some("FREQ=DAILY;UNTIL=20250101T000000Z"), 60),
        window("d", "UTC", "1890-01-01T20:00:00", None, 10_081),
    ]);
    assert_eq!(
        said,
        [
            "window `d` stands 2 times, expected once",
            "window `a` is open for 0 minutes, expected 1 to 10080",
            "window `a`: zone `Europe/Berln` is unknown, expected an IANA name; did you mean `Europe/Berlin`?",
            "window `a`: rule `FREQ=HOURLY;BYDAY=XX;FOO=1`: `FOO` is no part of a rule",
            "window `a`: rule `FREQ=HOURLY;BYDAY=XX;FOO=1`: `FREQ=HOURLY`, expected DAILY, WEEKLY, MONTHLY or YEARLY",
            "window `a`: rule `FREQ=HOURLY;BYDAY=XX;FOO=1`: `BYDAY` has `XX`, expected days such as MO, or 2MO and -1FR in a monthly or yearly rule",
            "window `b` never opens: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30 has no opening in the 5 years from 2026-01-01T00:00:00",
            "window `c` opens at 2026-01-02T20:00:00 while it is open since 2026-01-01T20:00:00 for 1500 minutes, expected openings that do not overlap",
            "window `d`: rule `FREQ=DAILY;UNTIL=20250101T000000Z`: `UNTIL=20250101T000000Z` is before its start 2026-01-01T20:00:00",
            "window `d` is open for 10081 minutes, expected 1 to 10080",
            "window `d` starts in the year 1890, expected 1970 to 2199",
        ]
    );
}

#[test]
fn rules_that_libraries_forgive_are_refused() {
    for (rule, says) in [
        ("FREQ=WEEKLY;BYDAY=2MO", "`BYDAY` has `2MO`"),
        ("FREQ=MONTHLY;BYDAY=0MO", "`BYDAY` has `0MO`"),
        ("FREQ=MONTHLY;BYDAY=6MO", "`BYDAY` has `6MO`"),
        ("FREQ=WEEKLY;BYDAY=SA;BYDAY=SU", "`BYDAY` stands twice"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z", "expected one of them"),
        ("FREQ=DAILY;INTERVAL=0", "`INTERVAL` has `0`"),
        ("FREQ=DAILY;COUNT=0", "`COUNT` has `0`"),
        ("FREQ=DAILY;UNTIL=soon", "`UNTIL` has `SOON`"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=DAILY;BYHOUR=24", "`BYHOUR` has `24`, expected 0 to 23"),
        ("WEEKLY", "part `WEEKLY` is not KEY=VALUE"),
        ("", "`FREQ` is missing"),
        ("FREQ=DAILY;BYDAI=MO", "did you mean `BYDAY`?"),
    ] {
        let said =
            refusals(vec![window("w", "UTC", "2026-01-01T00:00:00", Some(rule), 60)]).join("\n");
        assert!(said.contains(says), "{rule}: {said}");
    }
}

#[test]
fn rules_are_told_in_words() {
    for (rule, says) in [
        (None, "once on 2026-01-03 at 22:00 for 6 h"),
        (Some("FREQ=WEEKLY;BYDAY=SA,SU"), "every Saturday, Sunday at 22:00 for 6 h"),
        (
            Some("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3"),
            "every month on the last Friday at 22:00, 3 times for 6 h",
        ),
        (Some("FREQ=WEEKLY;INTERVAL=2"), "every 2 weeks on Saturday at 22:00 for 6 h"),
        (
            Some("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"),
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO at 22:00 for 6 h",
        ),
    ] {
        let window = window("w", "UTC", "2026-01-03T22:00:00", rule, 360);
        assert_eq!(refit_calendar::in_words(&window), says);
    }
}
