//! A feed of events.

use jiff::Timestamp;
use refit_names::{PersonName, TimeClass};

/// Longest line in bytes (RFC 5545, 3.1).
const LINE_BYTES_MAX: usize = 75;

/// One entry of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same for the same thing, whenever it is written: how clients know what changed.
    pub uid: String,
    /// Its title.
    pub summary: String,
    /// More about it.
    pub description: String,
    /// From this moment on.
    pub starts: Timestamp,
    /// Until just before this moment.
    pub ends: Timestamp,
    /// The IANA zone in which people think of it; told in its description.
    pub zone: String,
    /// Who takes part; none: it is for information and blocks nobody's time.
    pub attendees: Vec<PersonName>,
    /// What kind of time that is.
    pub class: TimeClass,
}

/// A calendar with these events, in the order given.
///
/// Moments are written in UTC: clients show them in their reader's zone, and none has to believe a zone of ours.
/// The text depends on nothing but the events, so an unchanged feed is byte for byte the same.
#[must_use]
pub fn write(events: &[Event]) -> String {
    let mut out = String::new();
    for line in
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Refit//Refit//EN", "CALSCALE:GREGORIAN"]
    {
        push(&mut out, line);
    }
    for event in events {
        write_event(&mut out, event);
    }
    push(&mut out, "END:VCALENDAR");
    out
}

fn write_event(out: &mut String, event: &Event) {
    push(out, "BEGIN:VEVENT");
    push(out, &format!("UID:{}", escape(&event.uid)));
    push(out, &format!("DTSTAMP:{}", utc(event.starts)));
    push(out, &format!("DTSTART:{}", utc(event.starts)));
    push(out, &format!("DTEND:{}", utc(event.ends)));
    push(out, &format!("SUMMARY:{}", escape(&event.summary)));
    push(out, &format!("DESCRIPTION:{}", escape(&described(event))));
    push(out, &format!("CATEGORIES:{}", event.class));
    push(out, if event.attendees.is_empty() { "TRANSP:TRANSPARENT" } else { "TRANSP:OPAQUE" });
    for person in &event.attendees {
        push(out, &format!("ATTENDEE;CN={person}:urn:refit:person:{person}"));
    }
    push(out, "END:VEVENT");
}

fn described(event: &Event) -> String {
    let local = |at| crate::local(at, &event.zone);
    let Some((starts, ends)) = local(event.starts).zip(local(event.ends)) else {
        return event.description.clone();
    };
    let times = format!(
        "{} to {} {}",
        starts.strftime("%Y-%m-%d %H:%M"),
        ends.strftime("%Y-%m-%d %H:%M"),
        event.zone
    );
    if event.description.is_empty() { times } else { format!("{times}\n{}", event.description) }
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Appends a line, folded between characters so that no part is longer than allowed.
fn push(out: &mut String, line: &str) {
    let mut room = LINE_BYTES_MAX;
    for c in line.chars() {
        if c.len_utf8() > room {
            out.push_str("\r\n ");
            room = LINE_BYTES_MAX - 1;
        }
        out.push(c);
        room -= c.len_utf8();
    }
    out.push_str("\r\n");
}
