//! A window's openings, followed once and kept: planners ask for the same year many thousand times.

use crate::local::opens_at;
use crate::rule::{Rule, Starts, Until};
use crate::{SEARCH_YEARS, Window};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::{Arc, Mutex, PoisonError};

/// Follows no rule beyond this day: the end of what zone data say.
const LAST_DAY: Date = jiff::civil::date(2200, 1, 1);

/// A window that can be asked for openings.
pub(crate) struct Compiled {
    pub(crate) window: Window,
    zone: TimeZone,
    rule: Option<Rule>,
    /// Only ever grows; a cache, so asking changes nothing that can be seen.
    known: Mutex<Known>,
}

struct Known {
    starts: LocalStarts,
    until: Option<Until>,
    /// Sorted; the last may still be cut by the next.
    openings: Vec<Span>,
    all: bool,
}

/// From the first moment until just before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) opens: Timestamp,
    pub(crate) closes: Timestamp,
}

impl Compiled {
    /// `rule` is the window's, read.
    pub(crate) fn new(window: Window, zone: TimeZone, rule: Option<Rule>) -> Self {
        let starts = LocalStarts::of(&window, rule.as_ref());
        let until = rule.as_ref().and_then(Rule::until);
        let known = Mutex::new(Known { starts, until, openings: Vec::new(), all: false });
        Self { window, zone, rule, known }
    }

    /// The openings that are open at some moment from `from` until just before `until`, uncut by freezes.
    pub(crate) fn spans(&self, from: Timestamp, until: Timestamp) -> Vec<Span> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.follow(until, self.length(), &self.zone);
        let first = known.openings.partition_point(|span| span.closes <= from);
        let last = known.openings.partition_point(|span| span.opens < until);
        known.openings.get(first..last).unwrap_or_default().to_vec()
    }

    /// Local starts in the first years, to judge the window by: its own, and not those of the cache.
    pub(crate) fn first_years(&self) -> impl Iterator<Item = DateTime> + '_ {
        let end = self.window.starts.saturating_add(SEARCH_YEARS.years());
        let until = self.rule.as_ref().and_then(Rule::until);
        let over = move |at: DateTime| {
            let opens = opens_at(at, &self.zone);
            until.is_some_and(|until| opens.is_none_or(|opens| until.is_over(at, opens)))
        };
        let starts = LocalStarts::of(&self.window, self.rule.as_ref());
        let starts = starts.take_while(move |(at, _)| *at <= end);
        starts.filter(move |(at, by)| *by == By::Extra || !over(*at)).map(|(at, _)| at)
    }

    pub(crate) fn length(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.window.minutes))
    }
}

impl Known {
    /// Follows the rule until an opening at or after `until` is known, so that none before can change any more.
    fn follow(&mut self, until: Timestamp, length: SignedDuration, zone: &TimeZone) {
        while !self.all && self.openings.last().is_none_or(|last| last.opens < until) {
            let Some((at, by)) = self.starts.next().filter(|(at, _)| at.date() < LAST_DAY) else {
                self.all = true;
                return;
            };
            let Some(opens) = opens_at(at, zone) else { continue };
            if by == By::Rule && self.until.is_some_and(|end| end.is_over(at, opens)) {
                // Extra times may still follow.
                self.starts.end_rule();
                continue;
            }
            let closes = opens.checked_add(length).unwrap_or(Timestamp::MAX);
            self.push(Span { opens, closes });
        }
    }

    /// A skipped hour moves a start onto the next, and a day of 23 hours makes a full day reach into the next:
    /// the earlier opening ends where the later begins.
    fn push(&mut self, next: Span) {
        if let Some(last) = self.openings.last_mut() {
            last.closes = last.closes.min(next.opens);
            if last.closes <= last.opens {
                self.openings.pop();
            }
        }
        self.openings.push(next);
    }
}

/// Who wants a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rule,
    Extra,
}

/// Local starts of rule and extra times, in order, each once, without the excepted days.
struct LocalStarts {
    rule: Option<Peekable<Starts>>,
    extra: Peekable<std::vec::IntoIter<DateTime>>,
    except: Arc<BTreeSet<Date>>,
}

impl LocalStarts {
    fn of(window: &Window, rule: Option<&Rule>) -> Self {
        let mut extra = window.extra.clone();
        let once = rule.is_none() && !window.except.contains(&window.starts.date());
        extra.extend(once.then_some(window.starts));
        Self {
            rule: rule.map(|rule| rule.starts().peekable()),
            extra: extra.into_iter().collect::<Vec<_>>().into_iter().peekable(),
            except: Arc::new(window.except.clone()),
        }
    }

    fn end_rule(&mut self) {
        self.rule = None;
    }
}

impl Iterator for LocalStarts {
    type Item = (DateTime, By);

    fn next(&mut self) -> Option<(DateTime, By)> {
        let mut by_rule = None;
        if let Some(rule) = self.rule.as_mut() {
            while rule.next_if(|at| self.except.contains(&at.date())).is_some() {}
            by_rule = rule.peek().copied();
        }
        match (by_rule, self.extra.peek().copied()) {
            (Some(rule), Some(extra)) if extra <= rule => {
                if extra == rule {
                    self.rule.as_mut().and_then(Iterator::next);
                }
                self.extra.next().map(|at| (at, By::Extra))
            }
            (Some(rule), _) => {
                self.rule.as_mut().and_then(Iterator::next);
                Some((rule, By::Rule))
            }
            (None, _) => self.extra.next().map(|at| (at, By::Extra)),
        }
    }
}
