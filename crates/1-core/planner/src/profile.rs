//! How much of something is taken at each moment: a step function that can be searched.

use crate::steps::Steps;

/// Units in use over time. Equal neighbours are one step, so a long stretch of full use costs one look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    /// From this moment on, so many; 0 before the first.
    steps: Steps<u32>,
}

impl Profile {
    /// Whether nothing is in use at any time.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What is in use at `at`.
    pub(crate) fn level(&self, at: i64) -> u32 {
        self.steps.at(at)
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
            let full = self.steps.inside(start, length).find(|(_, level)| *level >= capacity);
            match full {
                None => return Some(start),
                Some((at, _)) => start = self.below(at, capacity)?,
            }
        }
        None
    }

    /// The first step after `at` that leaves something free.
    fn below(&self, at: i64, capacity: u32) -> Option<i64> {
        self.steps.behind(at).find(|(_, level)| *level < capacity).map(|(at, _)| at)
    }

    /// The most that is in use at any moment of the span.
    pub(crate) fn peak(&self, from: i64, length: i64) -> u32 {
        let inside = self.steps.inside(from, length);
        inside.map(|(_, level)| level).max().unwrap_or(0).max(self.level(from))
    }

    /// Takes `units` for `length`.
    pub(crate) fn take(&mut self, from: i64, length: i64, units: u32) {
        self.steps.change(from, length, |level| level + units);
    }

    /// Gives a unit back for `length` that was taken from `from` on.
    pub(crate) fn free(&mut self, from: i64, length: i64) {
        self.steps.change(from, length, |level| level.saturating_sub(1));
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
