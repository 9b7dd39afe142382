//! How much of something is taken at each moment: a step function that can be searched.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Units in use over time. Equal neighbours are one step, so a long stretch of full use costs one look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    /// From this moment on, so many; 0 before the first.
    steps: BTreeMap<i64, u32>,
}

impl Profile {
    /// Whether nothing is in use at any time.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What is in use at `at`.
    pub(crate) fn level(&self, at: i64) -> u32 {
        self.steps.range(..=at).next_back().map_or(0, |(_, level)| *level)
    }

    /// The earliest moment from `from` on at which `capacity` leaves one unit free for `length`; none when that is after
    /// `latest`.
    pub(crate) fn earliest(
        &self,
        from: i64,
        length: i64,
        capacity: u32,
        latest: i64,
    ) -> Option<i64> {
        let mut start = from;
        if self.level(from) >= capacity {
            start = self.below(from, capacity)?;
        }
        while start <= latest {
            let full = self
                .steps
                .range((Excluded(start), Excluded(start.saturating_add(length))))
                .find(|(_, level)| **level >= capacity);
            match full {
                None => return Some(start),
                Some((at, _)) => start = self.below(*at, capacity)?,
            }
        }
        None
    }

    /// The first step after `at` that leaves something free.
    fn below(&self, at: i64, capacity: u32) -> Option<i64> {
        let mut later = self.steps.range((Excluded(at), Unbounded));
        later.find(|(_, level)| **level < capacity).map(|(at, _)| *at)
    }

    /// The most that is in use at any moment of the span.
    pub(crate) fn peak(&self, from: i64, length: i64) -> u32 {
        let inside = self.steps.range((Excluded(from), Excluded(from.saturating_add(length))));
        inside.map(|(_, level)| *level).max().unwrap_or(0).max(self.level(from))
    }

    /// Takes `units` for `length`.
    pub(crate) fn take(&mut self, from: i64, length: i64, units: u32) {
        self.change(from, length, |level| level + units);
    }

    /// Gives a unit back for `length` that was taken from `from` on.
    pub(crate) fn free(&mut self, from: i64, length: i64) {
        self.change(from, length, |level| level.saturating_sub(1));
    }

    /// Another level for each moment of the span.
    fn change(&mut self, from: i64, length: i64, new: impl Fn(u32) -> u32) {
        let until = from.saturating_add(length);
        if length <= 0 {
            return;
        }
        let (after, before) = (self.level(until), self.level(from));
        self.steps.entry(from).or_insert(before);
        self.steps.entry(until).or_insert(after);
        for (_, level) in self.steps.range_mut((Included(from), Excluded(until))) {
            *level = new(*level);
        }
        self.join(until);
        self.join(from);
    }

    /// Drops a step that changes nothing.
    fn join(&mut self, at: i64) {
        let before = self.steps.range(..at).next_back().map_or(0, |(_, level)| *level);
        if self.steps.get(&at) == Some(&before) {
            self.steps.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_unit_is_found_behind_full_ones() {
        let mut profile = Profile::default();
        profile.take(10, 10, 1);
        profile.take(10, 10, 1);
        profile.take(20, 5, 1);
        assert_eq!(profile.earliest(0, 10, 2, 100), Some(0));
        assert_eq!(profile.earliest(0, 11, 2, 100), Some(20));
        assert_eq!(profile.earliest(5, 6, 1, 100), Some(25));
        assert_eq!(profile.earliest(5, 6, 1, 24), None);
        assert_eq!((profile.peak(0, 10), profile.peak(0, 11), profile.level(24)), (0, 2, 1));
    }

    #[test]
    fn equal_neighbours_are_one_step() {
        let mut profile = Profile::default();
        for at in 0..100 {
            profile.take(at * 10, 10, 1);
        }
        assert_eq!(profile.steps.len(), 2);
    }
}
