//! Windows and freezes, compiled: what is open when.

use crate::expansion::{Compiled, Span};
use crate::rule::Rule;
use crate::zone::zone;
use crate::{
    CalendarError, CalendarErrors, Freeze, Place, SEARCH_YEARS, UnknownWindow, WINDOW_MINUTES_MAX,
    Window,
};
use jiff::{SignedDuration, Timestamp};
use refit_names::WindowName;
use refit_plan::Opening;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Openings are searched no further than so many hours after a moment: [`SEARCH_YEARS`] with leap days.
const SEARCH_HOURS: i64 = SEARCH_YEARS as i64 * 366 * 24;
/// Openings that a window is judged by: ten a day for five years. Rules repeat themselves long before.
const JUDGED_MAX: usize = 20_000;
/// Below this likeness a suggestion would be a guess.
const LIKENESS_MIN: f64 = 0.8;

/// All windows and freezes; cheap to clone. A value that exists is valid.
#[derive(Clone)]
pub struct Calendar(Arc<Inner>);

struct Inner {
    windows: BTreeMap<WindowName, Compiled>,
    /// By beginning.
    freezes: Vec<Freeze>,
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<_> = self.windows().collect();
        f.debug_struct("Calendar")
            .field("windows", &windows)
            .field("freezes", &self.0.freezes)
            .finish()
    }
}

impl Calendar {
    /// Judges and compiles windows and freezes.
    ///
    /// # Errors
    /// [`CalendarErrors`] with everything that is wrong, windows first, in the order given.
    pub fn new(windows: Vec<Window>, mut freezes: Vec<Freeze>) -> Result<Self, CalendarErrors> {
        let mut errors = duplicates(&windows);
        let mut compiled = BTreeMap::new();
        for window in windows {
            match compile(window) {
                Ok(good) => drop(compiled.insert(good.window.name.clone(), good)),
                Err(faults) => errors.extend(faults),
            }
        }
        errors.extend(judge_freezes(&freezes));
        if !errors.is_empty() {
            return Err(CalendarErrors(errors));
        }
        freezes.sort_by_key(|freeze| (freeze.from, freeze.until));
        Ok(Self(Arc::new(Inner { windows: compiled, freezes })))
    }

    /// A window by its name.
    #[must_use]
    pub fn window(&self, name: &WindowName) -> Option<&Window> {
        self.0.windows.get(name).map(|compiled| &compiled.window)
    }

    /// All windows, by name.
    pub fn windows(&self) -> impl Iterator<Item = &Window> {
        self.0.windows.values().map(|compiled| &compiled.window)
    }

    /// All freezes, by beginning.
    #[must_use]
    pub fn freezes(&self) -> &[Freeze] {
        &self.0.freezes
    }

    /// The freezes that cover `place` at some moment from `from` until just before `until`.
    pub fn freezes_of(
        &self,
        place: &Place<'_>,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Iterator<Item = &Freeze> {
        let covers = move |freeze: &&Freeze| {
            freeze.from < until
                && freeze.until > from
                && freeze.scope.covers(place.site, place.role, place.product)
        };
        self.0.freezes.iter().filter(covers)
    }

    /// The openings for `place` that are open at some moment from `from` until just before `until`.
    ///
    /// Shape: sorted, not overlapping, freezes that cover the place cut out; not cut to the range asked for, so that
    /// an opening looks the same whoever asks.
    ///
    /// # Errors
    /// [`UnknownWindow`].
    pub fn openings(
        &self,
        name: &WindowName,
        place: &Place<'_>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Opening>, UnknownWindow> {
        let covers = |freeze: &Freeze| freeze.scope.covers(place.site, place.role, place.product);
        self.openings_where(name, from, until, covers)
    }

    /// As [`Calendar::openings`], for whoever does not ask for one place: the freezes that `counts` names are cut out.
    ///
    /// # Errors
    /// [`UnknownWindow`].
    pub fn openings_where(
        &self,
        name: &WindowName,
        from: Timestamp,
        until: Timestamp,
        counts: impl Fn(&Freeze) -> bool,
    ) -> Result<Vec<Opening>, UnknownWindow> {
        let spans = self.compiled(name)?.spans(from, until);
        let whole = |span: Span| opening(name, span);
        let Some((first, last)) = spans.first().zip(spans.last()) else { return Ok(Vec::new()) };
        let near = |freeze: &&Freeze| {
            freeze.from < last.closes && freeze.until > first.opens && counts(freeze)
        };
        let freezes: Vec<&Freeze> = self.0.freezes.iter().filter(near).collect();
        if freezes.is_empty() {
            return Ok(spans.into_iter().map(whole).collect());
        }
        let pieces = spans.into_iter().flat_map(|span| thaw(span, &freezes));
        Ok(pieces.filter(|span| span.closes > from && span.opens < until).map(whole).collect())
    }

    /// The openings of a window with no regard to freezes, as [`Calendar::openings`] otherwise.
    ///
    /// # Errors
    /// [`UnknownWindow`].
    pub fn openings_unfrozen(
        &self,
        name: &WindowName,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Opening>, UnknownWindow> {
        self.openings_where(name, from, until, |_| false)
    }

    /// Whether `place` may be changed in this window at this moment.
    ///
    /// # Errors
    /// [`UnknownWindow`].
    pub fn is_open(
        &self,
        name: &WindowName,
        place: &Place<'_>,
        at: Timestamp,
    ) -> Result<bool, UnknownWindow> {
        let just_after = at.checked_add(SignedDuration::from_nanos(1)).unwrap_or(at);
        Ok(!self.openings(name, place, at, just_after)?.is_empty())
    }

    /// The first opening for `place` that begins after `after`; none when there is none for [`SEARCH_YEARS`].
    ///
    /// # Errors
    /// [`UnknownWindow`].
    pub fn next_opening(
        &self,
        name: &WindowName,
        place: &Place<'_>,
        after: Timestamp,
    ) -> Result<Option<Opening>, UnknownWindow> {
        // Most windows open within weeks: widen the search instead of following five years of a daily rule.
        let mut hours = 24 * 32;
        loop {
            let until = later(after, hours);
            let found = self.openings(name, place, after, until)?;
            let next = found.into_iter().find(|opening| opening.opens_at > after);
            if next.is_some() || hours >= SEARCH_HOURS {
                return Ok(next);
            }
            hours = (hours * 4).min(SEARCH_HOURS);
        }
    }

    fn compiled(&self, name: &WindowName) -> Result<&Compiled, UnknownWindow> {
        self.0
            .windows
            .get(name)
            .ok_or_else(|| UnknownWindow { window: name.clone(), suggestion: self.like(name) })
    }

    fn like(&self, name: &WindowName) -> Option<String> {
        let likeness = |known: &WindowName| strsim::jaro_winkler(name.as_str(), known.as_str());
        let known = self.0.windows.keys().map(|known| (likeness(known), known));
        let best = known.max_by(|(one, _), (other, _)| one.total_cmp(other));
        best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).map(|(_, name)| name.to_string())
    }
}

fn later(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
}

fn opening(window: &WindowName, span: Span) -> Opening {
    Opening { window: window.clone(), opens_at: span.opens, closes_at: span.closes }
}

/// What is left of an opening when `freezes`, sorted by beginning, are cut out.
fn thaw(span: Span, freezes: &[&Freeze]) -> Vec<Span> {
    let mut pieces = Vec::new();
    let mut opens = span.opens;
    for freeze in freezes {
        if freeze.from >= span.closes || freeze.until <= opens {
            continue;
        }
        if freeze.from > opens {
            pieces.push(Span { opens, closes: freeze.from });
        }
        opens = freeze.until;
    }
    if opens < span.closes {
        pieces.push(Span { opens, closes: span.closes });
    }
    pieces
}

fn duplicates(windows: &[Window]) -> Vec<CalendarError> {
    let mut times: BTreeMap<&WindowName, usize> = BTreeMap::new();
    for window in windows {
        *times.entry(&window.name).or_default() += 1;
    }
    let twice = times.into_iter().filter(|(_, found)| *found > 1);
    twice
        .map(|(window, found)| CalendarError::DuplicateWindow { window: window.clone(), found })
        .collect()
}

fn judge_freezes(freezes: &[Freeze]) -> Vec<CalendarError> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut errors = Vec::new();
    for freeze in freezes {
        *times.entry(&freeze.name).or_default() += 1;
        if freeze.until <= freeze.from {
            let (from, until) = (freeze.from, freeze.until);
            errors.push(CalendarError::EmptyFreeze { freeze: freeze.name.clone(), from, until });
        }
    }
    let twice = times.into_iter().filter(|(_, found)| *found > 1);
    errors.extend(twice.map(|(freeze, found)| CalendarError::DuplicateFreeze {
        freeze: freeze.to_owned(),
        found,
    }));
    errors
}

fn compile(window: Window) -> Result<Compiled, Vec<CalendarError>> {
    let mut errors = Vec::new();
    let name = || window.name.clone();
    if !(1..=WINDOW_MINUTES_MAX).contains(&window.minutes) {
        errors.push(CalendarError::Length { window: name(), minutes: window.minutes });
    }
    let year = window.starts.year();
    if !(1970..2200).contains(&year) {
        errors.push(CalendarError::Year { window: name(), year });
    }
    let zone = zone(&window.zone).map_err(|suggestion| CalendarError::UnknownZone {
        window: name(),
        zone: window.zone.clone(),
        suggestion,
    });
    // A wrong zone must not hide a wrong rule.
    let judged_in = zone.clone().unwrap_or(jiff::tz::TimeZone::UTC);
    errors.extend(zone.err());
    let rule = window.rule.as_deref().map(|rule| Rule::parse(rule, window.starts, &judged_in));
    let rule = rule.transpose().unwrap_or_else(|faults| {
        let rule = window.rule.clone().unwrap_or_default();
        let said = |fault| CalendarError::Rule { window: name(), rule: rule.clone(), fault };
        errors.extend(faults.into_iter().map(said));
        None
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    let compiled = Compiled::new(window, judged_in, rule);
    match judge_openings(&compiled) {
        Some(error) => Err(vec![error]),
        None => Ok(compiled),
    }
}

/// Whether it opens at all, and never while it is open.
fn judge_openings(compiled: &Compiled) -> Option<CalendarError> {
    let window = &compiled.window;
    let mut starts = compiled.first_years().take(JUDGED_MAX);
    let Some(mut first) = starts.next() else {
        let rule = window.rule.as_deref().unwrap_or("no rule");
        let except = if window.except.is_empty() { "" } else { " without its exceptions" };
        let why = format!(
            "{rule}{except} has no opening in the {SEARCH_YEARS} years from {}",
            window.starts
        );
        return Some(CalendarError::NeverOpens { window: window.name.clone(), why });
    };
    for second in starts {
        // By local times: what a clock change does to them is no fault of whoever wrote the window.
        if first.saturating_add(compiled.length()) > second {
            let (window, minutes) = (window.name.clone(), window.minutes);
            return Some(CalendarError::Overlap { window, first, second, minutes });
        }
        first = second;
    }
    None
}
