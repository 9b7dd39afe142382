//! Who comes before whom: tiers, then risk, never before what a host depends on or what goes first in its cluster.

use crate::candidates::Placed;
use crate::rules::{Relaxed, Rule};
use crate::{Fault, PlanInput};
use refit_inventory::ClusterRecord;
use refit_names::HostName;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

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
    mut placed: Vec<Placed<'a>>,
    firsts: &Firsts<'a>,
    relaxed: &Relaxed,
) -> Result<Vec<Placed<'a>>, Fault> {
    let tiers = !relaxed.has(|| Rule::Tiers);
    placed.sort_by_key(|host| &host.record.name);
    placed.sort_by_key(|host| (if tiers { host.record.tier } else { 0 }, host.risk));
    if firsts.is_empty() {
        return Ok(placed);
    }
    let names = placed.iter().enumerate().map(|(rank, host)| (&host.record.name, rank));
    let rank_of: BTreeMap<&HostName, usize> = names.collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); placed.len()];
    let mut waits_for = vec![0; placed.len()];
    for (name, before) in firsts {
        let Some(rank) = rank_of.get(name) else { continue };
        waits_for[*rank] = before.len();
        for first in before.keys().filter_map(|first| rank_of.get(first)) {
            behind[*first].push(*rank);
        }
    }
    let free = (0..placed.len()).filter(|rank| waits_for[*rank] == 0).map(Reverse);
    let mut free: BinaryHeap<Reverse<usize>> = free.collect();
    let mut hosts: Vec<Option<Placed<'a>>> = placed.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(hosts.len());
    while let Some(Reverse(rank)) = free.pop() {
        ordered.extend(hosts[rank].take());
        for next in std::mem::take(&mut behind[rank]) {
            waits_for[next] -= 1;
            if waits_for[next] == 0 {
                free.push(Reverse(next));
            }
        }
    }
    let left: BTreeSet<&HostName> = hosts.iter().flatten().map(|host| &host.record.name).collect();
    if left.is_empty() {
        return Ok(ordered);
    }
    Err(Fault::Circle { hosts: circle(&left, firsts) })
}

/// One circle among hosts that wait for each other: each name waits for the next.
fn circle(left: &BTreeSet<&HostName>, firsts: &Firsts<'_>) -> Vec<HostName> {
    let next = |name: &HostName| {
        let before = firsts.get(name)?;
        before.keys().find(|first| left.contains(*first)).copied()
    };
    let mut path: Vec<&HostName> = Vec::new();
    let mut seen: BTreeMap<&HostName, usize> = BTreeMap::new();
    let mut at = left.first().copied();
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
