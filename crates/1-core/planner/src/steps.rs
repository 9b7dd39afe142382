//! A value over time, by the moments at which it changes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// From each of these moments on, this; the default before the first. Equal neighbours are one step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps<V>(BTreeMap<i64, V>);

impl<V: Copy + Default + PartialEq> Steps<V> {
    /// Whether it never changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds at `at`.
    pub(crate) fn at(&self, at: i64) -> V {
        self.0.range(..=at).next_back().map_or_else(V::default, |(_, value)| *value)
    }

    /// The changes behind `at` and before the end of `length`.
    pub(crate) fn inside(&self, at: i64, length: i64) -> impl Iterator<Item = (i64, V)> + '_ {
        let span = (Excluded(at), Excluded(at.saturating_add(length)));
        self.0.range(span).map(|(at, value)| (*at, *value))
    }

    /// The changes behind `at`.
    pub(crate) fn behind(&self, at: i64) -> impl Iterator<Item = (i64, V)> + '_ {
        self.0.range((Excluded(at), Unbounded)).map(|(at, value)| (*at, *value))
    }

    /// Another value for each moment of the span.
    pub(crate) fn change(&mut self, from: i64, length: i64, new: impl Fn(V) -> V) {
        let until = from.saturating_add(length);
        if length <= 0 {
            return;
        }
        let (after, before) = (self.at(until), self.at(from));
        self.0.entry(from).or_insert(before);
        self.0.entry(until).or_insert(after);
        for (_, value) in self.0.range_mut(from..until) {
            *value = new(*value);
        }
        self.join(until);
        self.join(from);
    }

    /// Drops a step that changes nothing.
    fn join(&mut self, at: i64) {
        let before = self.0.range(..at).next_back().map_or_else(V::default, |(_, value)| *value);
        if self.0.get(&at) == Some(&before) {
            self.0.remove(&at);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
