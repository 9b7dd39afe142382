//! People: what they know, where they can be, when they work, and that nobody is in two places.

use crate::steps::Steps;
use std::collections::BTreeSet;

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// What is known of an engineer before anything is planned.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Hosts that they look after at the same time.
    pub(crate) units: u32,
    /// When they work: sorted, apart from each other; none means always.
    pub(crate) hours: Option<Vec<Stretch>>,
}

impl Person {
    /// Sorted, and joined where they touch.
    pub(crate) fn joined(mut hours: Vec<Stretch>) -> Vec<Stretch> {
        hours.sort_by_key(|hours| (hours.from, hours.until));
        let mut joined: Vec<Stretch> = Vec::with_capacity(hours.len());
        for next in hours {
            match joined.last_mut() {
                Some(last) if next.from <= last.until => last.until = last.until.max(next.until),
                _ => joined.push(next),
            }
        }
        joined
    }

    /// The first moment from `from` on at which they work for `length` on end.
    pub(crate) fn works(&self, from: i64, length: i64) -> Option<i64> {
        let Some(hours) = &self.hours else { return Some(from) };
        let first = hours.partition_point(|hours| hours.until <= from);
        let fits = |hours: &&Stretch| hours.until - hours.from.max(from) >= length;
        hours.get(first..)?.iter().find(fits).map(|hours| hours.from.max(from))
    }
}

/// What an engineer does, moment by moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda {
    /// From this moment on: how many hosts, and at which site; nobody's site counts, it is 0.
    steps: Steps<(u32, usize)>,
}

impl Agenda {
    /// The earliest moment from `from` on at which the person can look after one more host at `site` for `length`; none
    /// when that is after `latest`.
    pub(crate) fn earliest(
        &self,
        person: &Person,
        (from, length, latest): (i64, i64, i64),
        site: usize,
    ) -> Option<i64> {
        let free =
            |(count, place): (u32, usize)| count == 0 || (count < person.units && place == site);
        let mut start = from;
        loop {
            start = person.works(start, length)?;
            if start > latest {
                return None;
            }
            let blocked = if free(self.steps.at(start)) {
                self.steps.inside(start, length).find(|(_, step)| !free(*step)).map(|(at, _)| at)
            } else {
                Some(start)
            };
            let Some(blocked) = blocked else { return Some(start) };
            start = self.steps.behind(blocked).find(|(_, step)| free(*step)).map(|(at, _)| at)?;
        }
    }

    /// Looks after one more host at `site`.
    pub(crate) fn take(&mut self, from: i64, length: i64, site: usize) {
        self.steps.change(from, length, |(hosts, _)| (hosts + 1, site));
    }

    /// Looks after one host less from `from` on for `length`.
    pub(crate) fn free(&mut self, from: i64, length: i64) {
        self.steps.change(from, length, |(hosts, site)| match hosts {
            0 | 1 => (0, 0),
            _ => (hosts - 1, site),
        });
    }
}

/// Who can look after which hosts, by place in the list of people.
pub(crate) type Crew = Vec<usize>;

/// Whether an empty set, which means all, or a set with `one` in it.
pub(crate) fn all_or_has<T: Ord>(set: &BTreeSet<T>, one: &T) -> bool {
    set.is_empty() || set.contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(units: u32) -> Person {
        Person { units, hours: Some(vec![Stretch { from: 0, until: 100 }]) }
    }

    #[test]
    fn nobody_is_in_two_places() {
        let mut agenda = Agenda::default();
        agenda.take(10, 20, 1);
        assert_eq!(agenda.earliest(&person(2), (10, 20, 100), 1), Some(10));
        assert_eq!(agenda.earliest(&person(2), (10, 20, 100), 2), Some(30));
        assert_eq!(agenda.earliest(&person(1), (0, 20, 100), 1), Some(30));
    }

    #[test]
    fn work_ends_with_the_hours() {
        assert_eq!(Agenda::default().earliest(&person(1), (90, 20, 100), 1), None);
    }
}
