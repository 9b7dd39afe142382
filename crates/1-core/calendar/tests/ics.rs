//! Calendar files: what is read, what is refused with its line, and that a feed can be read again.

use jiff::Timestamp;
use refit_calendar::ics::{Event, read, write};
use refit_names::{PersonName, TimeClass};

const GOOD: &str = "BEGIN:VCALENDAR\r
VERSION:2.0\r
BEGIN:VTIMEZONE\r
TZID:Europe/Berlin\r
BEGIN:STANDARD\r
DTSTART:19701025T030000\r
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r
END:STANDARD\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Weekend night\\, north\r
DESCRIPTION:File and\r
  print\\nservers\r
DTSTART;TZID=Europe/Berlin:20260103T220000\r
DTEND;TZID=Europe/Berlin:20260104T040000\r
RRULE:FREQ=WEEKLY;BYDAY=SA\r
EXDATE;TZID=Europe/Berlin:20260110T220000,20260117T220000\r
RDATE:20260114T110000Z\r
BEGIN:VALARM\r
DESCRIPTION:not the window's\r
END:VALARM\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:office\r
DTSTART:20260105T090000\r
DURATION:PT1H30M\r
CATEGORIES:Servers,out-of-hours\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:gone\r
STATUS:CANCELLED\r
DTSTART:20260105T090000\r
END:VEVENT\r
END:VCALENDAR\r
";

#[test]
fn events_become_windows() {
    let windows = read(GOOD, "America/New_York").unwrap();
    let [night, office] = windows.as_slice() else { panic!("{windows:?}") };
    assert_eq!(night.name.as_str(), "Weekend-night-north");
    assert_eq!(night.about, "File and print\nservers");
    assert_eq!(
        (night.zone.as_str(), night.minutes, night.class),
        ("Europe/Berlin", 360, TimeClass::Weekend)
    );
    assert_eq!(
        night.except.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2026-01-10", "2026-01-17"]
    );
    assert_eq!(
        night.extra.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2026-01-14T12:00:00"]
    );
    assert_eq!(
        (office.zone.as_str(), office.minutes, office.class),
        ("America/New_York", 90, TimeClass::OutOfHours)
    );
}

#[test]
fn every_fault_has_its_line_and_property() {
    let bad = "BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:one
DTSTART;TZID=Europe/Berln:20260103T220000
DTEND:20260104T040000
END:VEVENT
BEGIN:VEVENT
SUMMARY:two
DTSTART:2026-01-03
DURATION:six hours
END:VEVENT
BEGIN:VEVENT
SUMMARY:three
DTSTART:20260103T220000
DURATION:PT6H
RRULE:FREQ=WEEKLY;BYDAY=XX
END:VEVENT
nonsense
BEGIN:VEVENT
SUMMARY:!!!
DTSTART:20260103T220000
DTEND:20260103T210000
END:VEVENT
BEGIN:VEVENT
SUMMARY:three
DTSTART:20260103T220000
DURATION:PT6H
RECURRENCE-ID:20260103T220000
END:VEVENT
BEGIN:VEVENT
SUMMARY:three
DTSTART:20260103T220000Z
DURATION:PT6H
";
    let said = read(bad, "UTC").unwrap_err().0;
    let places: Vec<(usize, &str)> =
        said.iter().map(|fault| (fault.line, fault.property.as_str())).collect();
    assert_eq!(
        places,
        [
            (1, "BEGIN"),
            (4, "DTSTART"),
            (9, "DTSTART"),
            (10, "DURATION"),
            (16, "RRULE"),
            (18, ""),
            (20, "SUMMARY"),
            (22, "DTEND"),
            (28, "RECURRENCE-ID"),
            (30, "BEGIN"),
            (31, "SUMMARY"),
        ],
        "{}",
        said.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    );
    assert_eq!(
        said[1].to_string(),
        "line 4, DTSTART: zone `Europe/Berln` is unknown, expected an IANA name; did you mean `Europe/Berlin`?"
    );
    assert!(read("", "UTC").unwrap_err().to_string().contains("no event"));
}

#[test]
fn rule_is_judged_also_where_the_times_are_wrong() {
    let bad = "BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:one
DTSTART:20260103T220000
DTEND;TZID=Mars/Base:20260104T040000
RRULE:FREQ=FORTNIGHTLY;BYDAY=SA,XX
END:VEVENT
END:VCALENDAR
";
    let said = read(bad, "UTC").unwrap_err().to_string();
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "line 5, DTEND: zone `Mars/Base` is unknown, expected an IANA name",
            "line 6, RRULE: rule `FREQ=FORTNIGHTLY;BYDAY=SA,XX`: `FREQ=FORTNIGHTLY`, expected DAILY, WEEKLY, MONTHLY or YEARLY",
            "line 6, RRULE: rule `FREQ=FORTNIGHTLY;BYDAY=SA,XX`: `BYDAY` has `XX`, expected days such as MO, or 2MO and -1FR in a monthly or yearly rule",
        ]
    );
}

#[test]
fn an_event_without_a_start_is_judged_in_all_its_other_lines() {
    let bad = "BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:one
DTSTART;TZID=Mars/Base:tomorrow
DTEND:20260104
EXDATE:20260110T220000,soon
RRULE:FREQ=WEEKLY;BYDAY=XX
END:VEVENT
END:VCALENDAR
";
    let said = read(bad, "UTC").unwrap_err().0;
    let places: Vec<(usize, &str)> =
        said.iter().map(|fault| (fault.line, fault.property.as_str())).collect();
    assert_eq!(places, [(4, "DTSTART"), (4, "DTSTART"), (6, "EXDATE"), (7, "RRULE")], "{said:?}");
}

#[test]
fn feed_is_folded_and_escaped_and_reads_back() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let event = Event {
        uid: "w-1@refit".to_owned(),
        summary: "weekend".to_owned(),
        description: "Größere Arbeiten; Komma, Semikolon und \\ im Text, der länger ist als eine Zeile je sein darf\nzweite Zeile".to_owned(),
        starts: at("2026-01-03T21:00:00Z"),
        ends: at("2026-01-04T03:00:00Z"),
        zone: "Europe/Berlin".to_owned(),
        attendees: vec![PersonName::parse("planner").unwrap()],
        class: TimeClass::Weekend,
    };
    let text = write(std::slice::from_ref(&event));
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    let windows = read(&text, "UTC").unwrap();
    let [window] = windows.as_slice() else { panic!("{windows:?}") };
    assert_eq!(
        (window.name.as_str(), window.minutes, window.class),
        ("weekend", 360, TimeClass::Weekend)
    );
    assert_eq!(
        window.about,
        format!("2026-01-03 22:00 to 2026-01-04 04:00 Europe/Berlin\n{}", event.description)
    );
}
