//! A window in words, for lists and pages.

use crate::Window;
use refit_names::{counted, span};

/// When the window opens and for how long, as people say it; a rule that has no short form stands as it is.
#[must_use]
pub fn in_words(window: &Window) -> String {
    let time = window.starts.strftime("%H:%M").to_string();
    let days = window.rule.as_deref().map_or_else(
        || format!("once on {} at {time}", window.starts.date()),
        |rule| repeats(rule, window, &time).unwrap_or_else(|| format!("{rule} at {time}")),
    );
    let mut text = format!("{days} for {}", span(u64::from(window.minutes) * 60_000));
    let (less, more) = (window.except.len(), window.extra.len());
    if less > 0 {
        text.push_str(&format!(", but on {}", counted(less, "day")));
    }
    if more > 0 {
        text.push_str(&format!(", and {} more", counted(more, "time")));
    }
    text
}

fn repeats(rule: &str, window: &Window, time: &str) -> Option<String> {
    let (mut frequency, mut every, mut days, mut end) = (None, 1, None, String::new());
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        match part.split_once('=')? {
            ("FREQ", value) => frequency = Some(value),
            ("INTERVAL", value) => every = value.parse().ok()?,
            ("BYDAY", value) => days = Some(value),
            ("COUNT", value) => end = format!(", {value} times"),
            ("UNTIL", value) => end = format!(", until {value}"),
            ("WKST", _) => {}
            _ => return None,
        }
    }
    let each = |unit: &str| match every {
        1 => format!("every {unit}"),
        _ => format!("every {every} {unit}s"),
    };
    let text = match (frequency?, days) {
        ("DAILY", None) => each("day"),
        ("WEEKLY", None) => format!("{} on {}", each("week"), name_of(window.starts.weekday())),
        ("WEEKLY", Some(days)) if every == 1 => format!("every {}", list(days)?),
        ("WEEKLY", Some(days)) => format!("{} on {}", each("week"), list(days)?),
        ("MONTHLY", None) => format!("{} on day {}", each("month"), window.starts.day()),
        ("MONTHLY", Some(days)) => format!("{} on the {}", each("month"), list(days)?),
        ("YEARLY", None) => format!("{} on {}", each("year"), window.starts.strftime("%-d %B")),
        _ => return None,
    };
    Some(format!("{text} at {time}{end}"))
}

fn name_of(day: jiff::civil::Weekday) -> &'static str {
    use jiff::civil::Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    match day {
        Monday => "Monday",
        Tuesday => "Tuesday",
        Wednesday => "Wednesday",
        Thursday => "Thursday",
        Friday => "Friday",
        Saturday => "Saturday",
        Sunday => "Sunday",
    }
}

fn list(days: &str) -> Option<String> {
    let names: Option<Vec<String>> = days.split(',').map(one).collect();
    Some(names?.join(", "))
}

fn one(day: &str) -> Option<String> {
    let (nth, day) = day.split_at_checked(day.len().checked_sub(2)?)?;
    let name = match day {
        "MO" => "Monday",
        "TU" => "Tuesday",
        "WE" => "Wednesday",
        "TH" => "Thursday",
        "FR" => "Friday",
        "SA" => "Saturday",
        "SU" => "Sunday",
        _ => return None,
    };
    let which = match nth.trim_start_matches('+') {
        "" => return Some(name.to_owned()),
        "1" => "first",
        "2" => "second",
        "3" => "third",
        "4" => "fourth",
        "5" => "fifth",
        "-1" => "last",
        "-2" => "last but one",
        _ => return None,
    };
    Some(format!("{which} {name}"))
}
