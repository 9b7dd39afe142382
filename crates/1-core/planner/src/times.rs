//! When each host may be changed: openings of its windows with freezes, pins and time classes taken into account.

use crate::PlanInput;
use crate::rules::{Relaxed, Rule};
use jiff::Timestamp;
use refit_calendar::{Freeze, Window};
use refit_inventory::HostRecord;
use refit_names::{SiteName, TimeClass, WindowName};
use refit_plan::Opening;
use refit_plan::{Pin, PinnedTo};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The window of hosts that may be changed at any time but in freezes.
pub const ANY_TIME: &str = "any-time";

/// One stretch in which a host may be changed. Units: milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) opens: i64,
    pub(crate) closes: i64,
    /// It starts no earlier,
    pub(crate) first: i64,
    /// and no later.
    pub(crate) last: i64,
    /// None: any time.
    pub(crate) window: Option<usize>,
    /// None: what clocks at the site say.
    pub(crate) class: Option<TimeClass>,
}

/// What makes lists of spans the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    windows: Vec<usize>,
    any_time: bool,
    freezes: Vec<usize>,
    pin: Option<Pin>,
}

/// All lists of spans of one fleet until some horizon.
pub(crate) struct Times<'a> {
    input: &'a PlanInput,
    relaxed: &'a Relaxed,
    pub(crate) now: i64,
    pub(crate) until: i64,
    pub(crate) windows: Vec<&'a Window>,
    by_name: BTreeMap<&'a WindowName, usize>,
    freezes: Vec<&'a Freeze>,
    signatures: BTreeMap<(&'a SiteName, &'a refit_names::RoleName), Vec<usize>>,
    zones: BTreeMap<&'a SiteName, &'a str>,
    raw: BTreeMap<usize, Vec<(i64, i64)>>,
    keys: BTreeMap<Key, usize>,
    strand_keys: BTreeMap<StrandKey, usize>,
    /// The spans of one window in one place, sorted. Many lists share a few of them.
    pub(crate) strands: Vec<Vec<Span>>,
    /// The strands that a list is made of, sorted.
    pub(crate) lists: Vec<Vec<usize>>,
}

/// What makes strands the same: window, freezes, pin.
type StrandKey = (Option<usize>, Vec<usize>, Option<Pin>);

impl<'a> Times<'a> {
    pub(crate) fn new(input: &'a PlanInput, relaxed: &'a Relaxed, horizon_days: u32) -> Self {
        let calendar = &input.surroundings.calendar;
        let windows: Vec<&Window> = calendar.windows().collect();
        let by_name = windows.iter().enumerate().map(|(at, window)| (&window.name, at)).collect();
        let now = ceil_ms(input.now);
        let counts = |freeze: &&Freeze| {
            input.demands.emergency.is_none()
                && freeze.until > input.now
                && !relaxed.has(|| Rule::Freeze(freeze.name.clone()))
        };
        let sites = input.surroundings.sites.iter();
        Self {
            input,
            relaxed,
            now,
            until: now + i64::from(horizon_days) * 86_400_000,
            windows,
            by_name,
            freezes: calendar.freezes().iter().filter(counts).collect(),
            signatures: BTreeMap::new(),
            zones: sites.map(|site| (&site.name, site.zone.as_str())).collect(),
            raw: BTreeMap::new(),
            keys: BTreeMap::new(),
            strand_keys: BTreeMap::new(),
            strands: Vec::new(),
            lists: Vec::new(),
        }
    }

    /// Whether anything says when this host may be changed.
    pub(crate) fn bound(&mut self, record: &'a HostRecord) -> bool {
        !record.windows.is_empty()
            || record.time_class.is_some()
            || !self.covering(&record.site, &record.role).is_empty()
    }

    /// The list of strands of a host, by its place in [`Times::lists`].
    pub(crate) fn list(&mut self, record: &'a HostRecord, pin: Option<&Pin>) -> usize {
        let relaxed = self.relaxed;
        let class = record.time_class.filter(|class| !relaxed.has(|| Rule::Class(*class)));
        let mut any_time = record.windows.is_empty() && class.is_none();
        let mut windows = Vec::new();
        if record.windows.is_empty() {
            let of_class = |window: &&Window| Some(window.class) == class;
            let found = self.windows.iter().enumerate().filter(|(_, window)| of_class(window));
            windows.extend(found.map(|(at, _)| at));
        }
        for name in &record.windows {
            let Some(at) = self.by_name.get(name) else { continue };
            if class.is_none_or(|class| self.windows[*at].class == class) {
                windows.push(*at);
            }
        }
        if windows.iter().any(|at| relaxed.has(|| Rule::Window(self.windows[*at].name.clone()))) {
            (any_time, windows) = (true, Vec::new());
        }
        windows.sort_unstable();
        let pin = pin.filter(|pin| !relaxed.has(|| Rule::Pin((*pin).clone()))).cloned();
        let freezes = self.covering(&record.site, &record.role).to_vec();
        let key = Key { windows, any_time, freezes, pin };
        if let Some(known) = self.keys.get(&key) {
            return *known;
        }
        let any_time = key.any_time.then_some(None);
        let windows = any_time.into_iter().chain(key.windows.iter().copied().map(Some));
        let windows: Vec<Option<usize>> = windows.collect();
        let mut list: Vec<usize> =
            windows.into_iter().map(|window| self.strand(window, &key, &record.site)).collect();
        list.sort_unstable();
        self.lists.push(list);
        self.keys.insert(key, self.lists.len() - 1);
        self.lists.len() - 1
    }

    /// The freezes that cover a place, by number.
    fn covering(&mut self, site: &'a SiteName, role: &'a refit_names::RoleName) -> &[usize] {
        let (freezes, product) = (&self.freezes, &self.input.product);
        self.signatures.entry((site, role)).or_insert_with(|| {
            let all = freezes.iter().enumerate();
            all.filter(|(_, freeze)| freeze.scope.covers(site, role, product))
                .map(|(at, _)| at)
                .collect()
        })
    }

    /// The spans of one window as far as freezes and a pin leave any of it.
    fn strand(&mut self, window: Option<usize>, key: &Key, site: &SiteName) -> usize {
        let strand_key = (window, key.freezes.clone(), key.pin.clone());
        if let Some(known) = self.strand_keys.get(&strand_key) {
            return *known;
        }
        let open = match window {
            None => vec![(self.now, self.until)],
            Some(at) => self.openings(at).to_vec(),
        };
        let class = window.map(|at| self.windows[at].class);
        let mut spans = Vec::with_capacity(open.len());
        for opening in open {
            for (opens, closes) in self.thaw(opening, &key.freezes) {
                let first = opens.max(self.now);
                spans.push(Span { opens, closes, first, last: closes, window, class });
            }
        }
        if let Some(pin) = &key.pin {
            let range = self.pinned_to(pin, site);
            spans.retain_mut(|span| narrow(span, pin, range));
        }
        spans.retain(|span| span.closes > self.now);
        spans.sort_by_key(|span| (span.opens, span.closes));
        self.strands.push(spans);
        self.strand_keys.insert(strand_key, self.strands.len() - 1);
        self.strands.len() - 1
    }

    /// The spans of a list, in the order of their openings.
    pub(crate) fn spans(&self, list: usize) -> Cow<'_, [Span]> {
        match &self.lists[list][..] {
            [one] => Cow::Borrowed(&self.strands[*one]),
            several => {
                let mut spans: Vec<Span> = several
                    .iter()
                    .flat_map(|strand| self.strands[*strand].iter().copied())
                    .collect();
                // Strands are sorted runs, which this sort merges.
                spans.sort_by_key(|span| (span.opens, span.closes, span.window));
                Cow::Owned(spans)
            }
        }
    }

    /// The span of a list in which a host that needs so long may start at `at`: the one that opened first.
    pub(crate) fn span_at(&self, list: usize, at: i64, need: i64) -> Option<Span> {
        let of_strand = |strand: &usize| {
            // Spans of a strand lie apart, so only the last that has opened can be open.
            let spans = &self.strands[*strand];
            let behind = spans.partition_point(|span| span.first <= at);
            let span = spans.get(behind.checked_sub(1)?)?;
            (at <= span.last.min(span.closes - need)).then_some(*span)
        };
        let found = self.lists[list].iter().filter_map(of_strand);
        found.min_by_key(|span| (span.opens, span.closes, span.window))
    }

    /// The openings of a window with no regard to freezes.
    pub(crate) fn openings(&mut self, window: usize) -> &[(i64, i64)] {
        let (calendar, from) = (&self.input.surroundings.calendar, self.input.now);
        let (until, name) = (moment(self.until), &self.windows[window].name);
        self.raw.entry(window).or_insert_with(|| {
            // It is one of the calendar's own windows, so it is known.
            let found = calendar.openings_unfrozen(name, from, until).unwrap_or_default();
            found
                .iter()
                .map(|one| (ceil_ms(one.opens_at), one.closes_at.as_millisecond()))
                .collect()
        })
    }

    /// What is left of a stretch when freezes are cut out.
    fn thaw(&self, (opens, closes): (i64, i64), freezes: &[usize]) -> Vec<(i64, i64)> {
        let mut left = Vec::with_capacity(1);
        let mut from = opens;
        for freeze in freezes.iter().map(|at| self.freezes[*at]) {
            let (begins, ends) = (freeze.from.as_millisecond(), ceil_ms(freeze.until));
            if begins >= closes || ends <= from {
                continue;
            }
            if begins > from {
                left.push((from, begins));
            }
            from = from.max(ends);
        }
        if from < closes {
            left.push((from, closes));
        }
        left
    }

    /// The zone of a site; UTC when it says none.
    pub(crate) fn zone(&self, site: &SiteName) -> &'a str {
        self.zones.get(site).copied().unwrap_or("UTC")
    }

    fn pinned_to(&self, pin: &Pin, site: &SiteName) -> (i64, i64) {
        match pin.when {
            PinnedTo::Opening(at) => (at.as_millisecond(), at.as_millisecond()),
            PinnedTo::Day(day) => {
                let local = refit_calendar::local(self.input.now, self.zone(site));
                let zone = local.map_or(jiff::tz::TimeZone::UTC, |now| now.time_zone().clone());
                let begins = |day: jiff::civil::Date| {
                    day.to_zoned(zone.clone()).map_or(i64::MAX, |at| ceil_ms(at.timestamp()))
                };
                (begins(day), day.tomorrow().map_or(i64::MAX, begins))
            }
        }
    }

    /// The opening that a span is, as it stands in a plan.
    pub(crate) fn opening(&self, span: &Span) -> Opening {
        let any_time = || match WindowName::parse(ANY_TIME) {
            Ok(name) => name,
            Err(error) => unreachable!("two words with a dash are a name: {error}"),
        };
        Opening {
            window: span.window.map_or_else(any_time, |at| self.windows[at].name.clone()),
            opens_at: moment(span.opens),
            closes_at: moment(span.closes),
        }
    }

    /// What kind of time a span is for a host of `site` that starts at `start`.
    pub(crate) fn class(&self, span: &Span, start: i64, site: &SiteName) -> TimeClass {
        span.class.unwrap_or_else(|| by_clock(moment(start), self.zone(site)))
    }

    /// The freeze that covers the place and reaches into the time between two moments, if there is one.
    pub(crate) fn frozen(
        &mut self,
        record: &'a HostRecord,
        (from, until): (i64, i64),
    ) -> Option<&'a Freeze> {
        let covering = self.covering(&record.site, &record.role).to_vec();
        let mut freezes = covering.into_iter().map(|number| self.freezes[number]);
        freezes.find(|freeze| freeze.from.as_millisecond() <= until && from < ceil_ms(freeze.until))
    }
}

/// Office hours, where nobody defined a window: from eight to six on working days.
const OFFICE: std::ops::Range<i8> = 8..18;

/// What kind of time clocks at a place show.
fn by_clock(at: Timestamp, zone: &str) -> TimeClass {
    let local = refit_calendar::local(at, zone);
    let local = local.unwrap_or_else(|| at.to_zoned(jiff::tz::TimeZone::UTC));
    match local.weekday() {
        jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday => TimeClass::Weekend,
        _ if OFFICE.contains(&local.hour()) => TimeClass::WorkingHours,
        _ => TimeClass::OutOfHours,
    }
}

/// Cuts a span down to what a pin allows; false when nothing is left.
fn narrow(span: &mut Span, pin: &Pin, (from, until): (i64, i64)) -> bool {
    match pin.when {
        PinnedTo::Opening(_) => span.opens <= from && from < span.closes,
        PinnedTo::Day(_) => {
            span.first = span.first.max(from);
            span.last = span.last.min(until.saturating_sub(1));
            span.first <= span.last
        }
    }
}

/// The first whole millisecond that is not before `at`.
pub(crate) fn ceil_ms(at: Timestamp) -> i64 {
    let ms = at.as_millisecond();
    if at.as_nanosecond() > i128::from(ms) * 1_000_000 { ms + 1 } else { ms }
}

/// A moment; the end of time when it lies beyond.
pub(crate) fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}
