//! Hosts that wait for each other in a circle.

use crate::Fleet;
use refit_names::HostName;
use std::collections::{BTreeMap, BTreeSet};

/// Hosts that wait, and who waits for each.
struct Waiting<'a> {
    rest: BTreeMap<&'a HostName, BTreeSet<&'a HostName>>,
    behind: BTreeMap<&'a HostName, Vec<&'a HostName>>,
}

/// Every circle once. Hosts that only wait for a circle are not in it.
pub(super) fn circles(fleet: &Fleet) -> Vec<Vec<&HostName>> {
    let mut waiting = Waiting { rest: BTreeMap::new(), behind: BTreeMap::new() };
    for host in fleet.hosts().values() {
        let known = |name: &&HostName| **name != host.name && fleet.hosts().contains_key(*name);
        let after: BTreeSet<_> = host.after.iter().filter(known).collect();
        for before in &after {
            waiting.behind.entry(before).or_default().push(&host.name);
        }
        waiting.rest.insert(&host.name, after);
    }
    let free = waiting.rest.iter().filter(|(_, after)| after.is_empty());
    let free = free.map(|(name, _)| *name).collect();
    waiting.release(free);
    let mut circles = Vec::new();
    while let Some(circle) = waiting.circle() {
        waiting.release(circle.clone());
        circles.push(circle);
    }
    circles
}

impl<'a> Waiting<'a> {
    /// Takes hosts out, and all who waited for nobody else.
    fn release(&mut self, mut ready: Vec<&'a HostName>) {
        while let Some(done) = ready.pop() {
            self.rest.remove(done);
            for name in self.behind.get(done).into_iter().flatten() {
                if let Some(after) = self.rest.get_mut(name)
                    && after.remove(done)
                    && after.is_empty()
                {
                    ready.push(name);
                }
            }
        }
    }

    /// Follows hosts from the first one: all that are left wait for one that is left, so one comes again.
    fn circle(&self) -> Option<Vec<&'a HostName>> {
        let (mut at, _) = self.rest.first_key_value()?;
        let (mut path, mut places) = (Vec::new(), BTreeMap::new());
        loop {
            if let Some(first) = places.get(at) {
                return Some(path.split_off(*first));
            }
            places.insert(*at, path.len());
            path.push(*at);
            at = self.rest.get(at)?.first()?;
        }
    }
}
