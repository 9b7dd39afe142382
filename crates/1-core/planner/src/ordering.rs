//! Who comes before whom: tiers, then risk, never before what a host depends on or what goes first in its cluster.

use crate::candidates::Placed;
use crate::rules::{Relaxed, Rule};
use crate::{Fault, PlanInput};
use refit_inventory::ClusterRecord;
use refit_names::HostName;
use std::collections::{BTreeMap, BTreeSet};

/// For each host that waits: the hosts that are changed in an earlier wave, with why.
pub(crate) type Firsts<'a> = BTreeMap<&'a HostName, BTreeMap<&'a HostName, Why>>;

/// Why a host waits for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It depends on it.
    Depends,
    /// The cluster has an order.
    ClusterOrder,
}

/// Clusters by name.
pub(crate) fn clusters(input: &PlanInput) -> BTreeMap<&str, &ClusterRecord> {
    input.surroundings.clusters.iter().map(|cluster| (cluster.name.as_str(), cluster)).collect()
}

/// Who waits for whom among the hosts that take part.
pub(crate) fn firsts<'a>(
    input: &'a PlanInput,
    placed: &[Placed<'a>],
    relaxed: &Relaxed,
) -> Firsts<'a> {
    let present: BTreeSet<&HostName> = placed.iter().map(|host| &host.record.name).collect();
    let clusters = clusters(input);
    let mut firsts = Firsts::new();
    for host in placed {
        let name = &host.record.name;
        for first in host.record.after.iter().filter(|first| present.contains(first)) {
            if !relaxed.has(|| Rule::After(name.clone(), first.clone())) {
                firsts.entry(name).or_default().insert(first, Why::Depends);
            }
        }
        let cluster = host.record.cluster.as_deref().and_then(|cluster| clusters.get(cluster));
        let Some(cluster) = cluster.filter(|cluster| !cluster.order.is_empty()) else { continue };
        if relaxed.has(|| Rule::Cluster(cluster.name.clone())) {
            continue;
        }
        let own = cluster.order.iter().position(|member| member == name);
        let before = &cluster.order[..own.unwrap_or(cluster.order.len())];
        // The last one before it is enough: that one waits for those before.
        if let Some(first) = before.iter().rev().find(|first| present.contains(*first)) {
            firsts.entry(name).or_default().entry(first).or_insert(Why::ClusterOrder);
        }
    }
    firsts
}

/// Lowest tier first, then lowest risk, by name among equals, never before what a host waits for.
///
/// Every host that is behind a circle is in the fault.
pub(crate) fn order<'a>(
    placed: Vec<Placed<'a>>,
    firsts: &Firsts<'a>,
    relaxed: &Relaxed,
) -> Result<Vec<Placed<'a>>, Fault> {
    let tiers = !relaxed.has(|| Rule::Tiers);
    let tier = |host: &Placed<'_>| if tiers { host.record.tier } else { 0 };
    let mut left: BTreeMap<&HostName, Placed<'a>> =
        placed.into_iter().map(|host| (&host.record.name, host)).collect();
    let mut waiting: BTreeMap<&HostName, Vec<&HostName>> = BTreeMap::new();
    let mut open: BTreeMap<&HostName, usize> = BTreeMap::new();
    let mut free: BTreeSet<(u32, u32, &HostName)> = BTreeSet::new();
    for (name, host) in &left {
        let before = firsts.get(name);
        for first in before.into_iter().flat_map(BTreeMap::keys) {
            waiting.entry(first).or_default().push(name);
        }
        match before.map_or(0, BTreeMap::len) {
            0 => drop(free.insert((tier(host), host.risk, name))),
            count => drop(open.insert(name, count)),
        }
    }
    let mut ordered = Vec::with_capacity(left.len());
    while let Some((_, _, name)) = free.pop_first() {
        for behind in waiting.remove(name).unwrap_or_default() {
            let Some(count) = open.get_mut(behind) else { continue };
            *count -= 1;
            if *count == 0
                && let Some(host) = left.get(behind)
            {
                free.insert((tier(host), host.risk, behind));
            }
        }
        ordered.extend(left.remove(name));
    }
    if left.is_empty() {
        return Ok(ordered);
    }
    Err(Fault::Circle { hosts: circle(&left, firsts) })
}

/// One circle among hosts that wait for each other: each name waits for the next.
fn circle(left: &BTreeMap<&HostName, Placed<'_>>, firsts: &Firsts<'_>) -> Vec<HostName> {
    let next = |name: &HostName| {
        let before = firsts.get(name)?;
        before.keys().find(|first| left.contains_key(*first)).copied()
    };
    let mut path: Vec<&HostName> = Vec::new();
    let mut seen: BTreeMap<&HostName, usize> = BTreeMap::new();
    let mut at = left.keys().next().copied();
    while let Some(name) = at {
        if let Some(start) = seen.get(name) {
            return path[*start..].iter().map(|name| (*name).clone()).collect();
        }
        seen.insert(name, path.len());
        path.push(name);
        at = next(name);
    }
    path.into_iter().cloned().collect()
}
