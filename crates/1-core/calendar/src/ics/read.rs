//! Windows out of a calendar file: all of its events, or every fault with line and property.

use super::lines::{Line, lines};
use super::value::{Time, duration, one_time, text, times};
use crate::rule::Rule;
use crate::{Calendar, CalendarError, Window};
use jiff::SignedDuration;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use refit_names::{Coded, ErrorClass, TimeClass, WindowName};
use std::collections::BTreeMap;
use std::fmt;

/// Everything that is wrong with a calendar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcsErrors(pub Vec<IcsError>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {what}", place(.property))]
pub struct IcsError {
    /// From 1.
    pub line: usize,
    /// `RRULE` and the like; empty when the line has none.
    pub property: String,
    /// What is wrong.
    pub what: String,
}

fn place(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(", {name}") }
}

impl fmt::Display for IcsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("\n"))
    }
}

impl std::error::Error for IcsErrors {}

impl Coded for IcsErrors {
    fn code(&self) -> &'static str {
        "window.bad-calendar-file"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// The windows that the events of a calendar file describe; times without a zone are meant in `zone`.
///
/// A window's name is the event's title with other characters than names have as `-`; its class the first of
/// `CATEGORIES` that is one, or what its first opening falls into. Cancelled events are left out.
///
/// # Errors
/// [`IcsErrors`] with every fault in the file; then nothing of it is of use.
pub fn read(text: &str, zone: &str) -> Result<Vec<Window>, IcsErrors> {
    let (lines, mut faults) = lines(text);
    let events = events(&lines, &mut faults);
    let mut windows: Vec<(Window, &Event<'_>)> = Vec::new();
    for event in &events {
        match window(event, zone) {
            Ok(Some(window)) => windows.push((window, event)),
            Ok(None) => {}
            Err(found) => faults.extend(found),
        }
    }
    faults.extend(twice(&windows));
    for (window, event) in &windows {
        let errors = Calendar::new(vec![window.clone()], Vec::new()).err();
        faults.extend(
            errors.into_iter().flat_map(|errors| errors.0).map(|error| event.fault(&error)),
        );
    }
    if lines.is_empty() || (events.is_empty() && faults.is_empty()) {
        let what = "the file has no event, expected BEGIN:VEVENT inside BEGIN:VCALENDAR".to_owned();
        faults.push(IcsError { line: 1, property: String::new(), what });
    }
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() {
        Ok(windows.into_iter().map(|(window, _)| window).collect())
    } else {
        Err(IcsErrors(faults))
    }
}

/// No rule ends before it.
const EARLIEST: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The lines of one `VEVENT`, without those of components inside it.
struct Event<'a> {
    begin: &'a Line,
    lines: Vec<&'a Line>,
}

impl<'a> Event<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().copied().filter(move |line| line.name == name)
    }

    fn one(&self, name: &'static str, faults: &mut Vec<IcsError>) -> Option<&'a Line> {
        let mut all = self.all(name);
        let first = all.next();
        faults
            .extend(all.map(|again| again.fault(format!("`{name}` stands again, expected once"))));
        first
    }

    fn fault(&self, error: &CalendarError) -> IcsError {
        let name = error.property();
        let line = self.lines.iter().find(|line| line.name == name);
        let line = line.copied().unwrap_or(self.begin);
        IcsError { line: line.number, property: name.to_owned(), what: error.to_string() }
    }
}

fn events<'a>(lines: &'a [Line], faults: &mut Vec<IcsError>) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let mut open: Vec<&Line> = Vec::new();
    for line in lines {
        match line.name.as_str() {
            "BEGIN" => {
                open.push(line);
                if line.value.eq_ignore_ascii_case("VEVENT") {
                    events.push(Event { begin: line, lines: Vec::new() });
                }
            }
            "END" => match open.pop() {
                Some(begin) if begin.value.eq_ignore_ascii_case(&line.value) => {}
                Some(begin) => {
                    let what = format!(
                        "`{}` ends, expected the end of `{}` from line {}",
                        line.value, begin.value, begin.number
                    );
                    faults.push(line.fault(what));
                }
                None => {
                    faults.push(line.fault(format!("`{}` ends, but did not begin", line.value)))
                }
            },
            _ => {
                let inside =
                    open.last().is_some_and(|begin| begin.value.eq_ignore_ascii_case("VEVENT"));
                if let Some(event) = events.last_mut().filter(|_| inside) {
                    event.lines.push(line);
                }
            }
        }
    }
    faults.extend(
        open.into_iter().map(|begin| begin.fault(format!("`{}` does not end", begin.value))),
    );
    events
}

fn window(event: &Event<'_>, floating: &str) -> Result<Option<Window>, Vec<IcsError>> {
    let mut faults = Vec::new();
    let mut one = |name| event.one(name, &mut faults);
    let (status, summary, about) = (one("STATUS"), one("SUMMARY"), one("DESCRIPTION"));
    let (start, rule) = (one("DTSTART"), one("RRULE"));
    if status.is_some_and(|status| status.value.eq_ignore_ascii_case("CANCELLED")) {
        return Ok(None);
    }
    for unsupported in ["EXRULE", "RECURRENCE-ID"] {
        let what = format!("`{unsupported}` is not supported, expected EXDATE and RDATE");
        faults.extend(event.all(unsupported).map(|line| line.fault(what.clone())));
    }
    let name = name(event, summary).map_err(|fault| faults.push(fault)).ok();
    let starts = match start {
        Some(line) => one_time(line, floating).map_err(|found| faults.extend(found)).ok(),
        None => {
            faults.push(missing(event, "DTSTART"));
            None
        }
    };
    let minutes = minutes(event, starts.as_ref(), floating, &mut faults);
    let except = moments(event, "EXDATE", floating, &mut faults);
    let extra = moments(event, "RDATE", floating, &mut faults);
    match (name, starts, minutes, faults.is_empty()) {
        (Some(name), Some(starts), Some(minutes), true) => Ok(Some(Window {
            name,
            about: about.map(text).unwrap_or_default(),
            class: class(event, starts.at),
            except: except.iter().map(|time| time.shown_in(&starts.zone).date()).collect(),
            extra: extra.iter().map(|time| time.shown_in(&starts.zone)).collect(),
            zone: starts.zone,
            starts: starts.at,
            rule: rule.map(|line| line.value.clone()),
            minutes,
        })),
        (_, starts, ..) => {
            // Of a whole window the calendar judges the rule.
            faults.extend(rule.into_iter().flat_map(|line| rule_faults(line, starts.as_ref())));
            Err(faults)
        }
    }
}

/// What is wrong with a rule; where nobody knows when the event starts, with the rule by itself.
fn rule_faults(line: &Line, starts: Option<&Time>) -> Vec<IcsError> {
    let zone = starts.and_then(|starts| crate::zone::zone(&starts.zone).ok());
    let at = starts.map_or(EARLIEST, |starts| starts.at);
    let parsed = Rule::parse(&line.value, at, &zone.unwrap_or(TimeZone::UTC));
    let faults = parsed.err().unwrap_or_default();
    faults.iter().map(|fault| line.fault(format!("rule `{}`: {fault}", line.value))).collect()
}

fn missing(event: &Event<'_>, name: &str) -> IcsError {
    let what = "is missing in the event that begins here".to_owned();
    IcsError { line: event.begin.number, property: name.to_owned(), what }
}

fn name(event: &Event<'_>, summary: Option<&Line>) -> Result<WindowName, IcsError> {
    let line = summary.ok_or_else(|| missing(event, "SUMMARY"))?;
    let title = text(line);
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+');
    let words = title.split(|c| !keep(c)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    WindowName::parse(name.trim_start_matches(['.', '_', '+']))
        .map_err(|error| line.fault(format!("`{title}` gives no name: {error}")))
}

fn minutes(
    event: &Event<'_>,
    starts: Option<&Time>,
    floating: &str,
    faults: &mut Vec<IcsError>,
) -> Option<u32> {
    let (end, length) = (event.one("DTEND", faults), event.one("DURATION", faults));
    let (line, elapsed) = match (end, length) {
        (Some(line), None) => {
            let end = one_time(line, floating).map_err(|found| faults.extend(found)).ok()?;
            (line, elapsed(line, starts?, &end))
        }
        (None, Some(line)) => (line, duration(line)),
        (None, None) if starts?.whole_day => return Some(24 * 60),
        (None, None) => {
            faults.push(missing(event, "DTEND"));
            return None;
        }
        (Some(_), Some(line)) => {
            faults.push(line.fault("`DTEND` and `DURATION` stand together, expected one of them"));
            return None;
        }
    };
    let whole = elapsed.and_then(|elapsed| {
        let minutes = u32::try_from(elapsed.as_secs() / 60).ok();
        minutes.filter(|minutes| *minutes > 0 && elapsed.as_secs() % 60 == 0).ok_or_else(|| {
            line.fault(format!(
                "the window would last {} seconds, expected whole minutes, at least one",
                elapsed.as_secs()
            ))
        })
    });
    whole.map_err(|fault| faults.push(fault)).ok()
}

fn elapsed(line: &Line, starts: &Time, end: &Time) -> Result<SignedDuration, IcsError> {
    if starts.whole_day && end.whole_day {
        return Ok(end.at.duration_since(starts.at));
    }
    let both = end.moment().zip(starts.moment());
    let (end, start) = both.ok_or_else(|| line.fault("lies outside of the calendar"))?;
    Ok(end.duration_since(start))
}

fn moments(
    event: &Event<'_>,
    name: &'static str,
    floating: &str,
    faults: &mut Vec<IcsError>,
) -> Vec<Time> {
    let mut found = Vec::new();
    for line in event.all(name) {
        match times(line, floating) {
            Ok(times) => found.extend(times),
            Err(wrong) => faults.extend(wrong),
        }
    }
    found
}

fn class(event: &Event<'_>, starts: DateTime) -> TimeClass {
    let categories = event.all("CATEGORIES").flat_map(|line| line.value.split(','));
    let mut stated =
        categories.filter_map(|word| match word.trim().to_ascii_lowercase().as_str() {
            "working-hours" => Some(TimeClass::WorkingHours),
            "out-of-hours" => Some(TimeClass::OutOfHours),
            "weekend" => Some(TimeClass::Weekend),
            _ => None,
        });
    stated.next().unwrap_or_else(|| match (starts.weekday(), starts.hour()) {
        (Weekday::Saturday | Weekday::Sunday, _) => TimeClass::Weekend,
        (_, 8..18) => TimeClass::WorkingHours,
        _ => TimeClass::OutOfHours,
    })
}

fn twice(windows: &[(Window, &Event<'_>)]) -> Vec<IcsError> {
    let mut first: BTreeMap<&WindowName, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (window, event) in windows {
        let Some(line) = event.all("SUMMARY").next() else { continue };
        match first.get(&window.name) {
            Some(at) => faults.push(
                line.fault(format!("window `{}` stands again, first on line {at}", window.name)),
            ),
            None => drop(first.insert(&window.name, line.number)),
        }
    }
    faults
}
