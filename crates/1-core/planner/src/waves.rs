//! Filling waves in order.

use crate::candidates::Placed;
use crate::ordering::{Firsts, Why, clusters};
use crate::rules::{Relaxed, Rule};
use crate::{PlanInput, Shape};
use refit_names::{HostName, WaveName};
use refit_plan::{PlannedHost, PlannedWave};
use std::collections::{BTreeMap, BTreeSet};

/// Where a host stands: its wave, and what put it behind the place that its risk alone would give it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) wave: usize,
    pub(crate) because: String,
}

/// What is known of a wave while it fills.
#[derive(Default)]
struct Filling<'a> {
    hosts: usize,
    clusters: BTreeMap<&'a str, u32>,
}

/// Waves that hosts of earlier plans stand in: no new one goes before them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offset {
    /// The first wave that may be filled.
    pub(crate) first: usize,
    /// Hosts that take part in all, those in earlier waves included.
    pub(crate) hosts: usize,
}

/// Puts each host into the first wave that has room, lies behind what it waits for and has room for its cluster.
///
/// Each tier gets canaries and waves of its own behind those of the tier before. A wave beyond the shape is added when the
/// rules leave no other place. `ordered` is sorted by tier first.
pub(crate) fn fill<'a>(
    input: &'a PlanInput,
    ordered: &[Placed<'a>],
    firsts: &Firsts<'a>,
    relaxed: &Relaxed,
    offset: Offset,
) -> Vec<Standing> {
    let limits = clusters(input);
    let limit = |cluster: &str| {
        if relaxed.has(|| Rule::Cluster(cluster.to_owned())) {
            return u32::MAX;
        }
        limits.get(cluster).map_or(1, |record| record.down_at_once)
    };
    let one_tier = relaxed.has(|| Rule::Tiers);
    let awaited: BTreeSet<&HostName> = firsts.values().flat_map(BTreeMap::keys).copied().collect();
    let mut wave_of: BTreeMap<&HostName, usize> = BTreeMap::new();
    let mut standings = Vec::with_capacity(ordered.len());
    let mut base = offset.first;
    let tiers = ordered.chunk_by(|a, b| one_tier || a.record.tier == b.record.tier);
    for tier in tiers {
        let room = capacities(&input.shape, tier.len(), base, offset);
        let mut waves: Vec<Filling<'a>> = room.iter().map(|_| Filling::default()).collect();
        for host in tier {
            let rank = standings.len();
            let behind = firsts.get(&host.record.name);
            let last = behind.into_iter().flat_map(BTreeMap::keys).filter_map(|f| wave_of.get(*f));
            let earliest = last.max().map_or(0, |wave| (wave + 1).saturating_sub(base));
            let by_room = (0..room.len())
                .find(|wave| waves[*wave].hosts < room[*wave])
                .unwrap_or(room.len() - 1);
            let start = earliest.max(by_room);
            let cluster = host.record.cluster.as_deref();
            let free = |wave: &usize| match (cluster, waves.get(*wave)) {
                (Some(cluster), Some(filling)) => {
                    filling.clusters.get(cluster).is_none_or(|count| *count < limit(cluster))
                }
                _ => true,
            };
            let at = (start..).find(free).unwrap_or(start);
            while waves.len() <= at {
                waves.push(Filling::default());
            }
            let moved = Moved { behind: earliest > by_room, apart: at > start };
            let because = because((rank, ordered.len()), host, &moved, behind, !one_tier);
            waves[at].hosts += 1;
            if let Some(cluster) = cluster {
                *waves[at].clusters.entry(cluster).or_default() += 1;
            }
            if awaited.contains(&host.record.name) {
                wave_of.insert(&host.record.name, base + at);
            }
            standings.push(Standing { wave: base + at, because });
        }
        base += waves.len();
    }
    close_gaps(&mut standings, offset.first);
    standings
}

/// Waves that stayed empty are no waves.
fn close_gaps(standings: &mut [Standing], first: usize) {
    let used: BTreeSet<usize> = standings.iter().map(|standing| standing.wave).collect();
    let numbers: BTreeMap<usize, usize> =
        used.into_iter().enumerate().map(|(number, wave)| (wave, first + number)).collect();
    for standing in standings {
        standing.wave = numbers.get(&standing.wave).copied().unwrap_or(standing.wave);
    }
}

/// How many hosts each wave takes: at least one each while there are hosts; the last takes the rest.
///
/// When earlier waves have run already, the shares that they took are not given again.
fn capacities(shape: &Shape, hosts: usize, base: usize, offset: Offset) -> Vec<usize> {
    let begun = if base == offset.first { offset.first.min(shape.shares.len() - 1) } else { 0 };
    let whole = if begun > 0 { hosts + offset.hosts } else { hosts };
    let mut left = hosts;
    let shares = &shape.shares[begun..];
    let last = shares.len() - 1;
    let mut capacities = Vec::with_capacity(shares.len());
    for (wave, share) in shares.iter().enumerate() {
        let wished = (whole * usize::from(share.get())).div_ceil(100).max(1);
        let taken = if wave == last { left } else { wished.min(left) };
        left -= taken;
        capacities.push(taken);
    }
    capacities
}

/// Why a host stands later than its risk alone would have it.
struct Moved {
    behind: bool,
    apart: bool,
}

fn because(
    (rank, of): (usize, usize),
    host: &Placed<'_>,
    moved: &Moved,
    firsts: Option<&BTreeMap<&HostName, Why>>,
    tiers: bool,
) -> String {
    let mut text = format!("risk {}, place {} of {of}", host.risk, rank + 1);
    if tiers && host.record.tier > 0 {
        text.push_str(&format!("; tier {}, behind all lower tiers", host.record.tier));
    }
    if moved.behind {
        let names = |why: Why| {
            let of = firsts.into_iter().flatten().filter(move |(_, found)| **found == why);
            of.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        for (why, tail) in [
            (Why::Depends, "on which it depends"),
            (Why::ClusterOrder, "which goes first in its cluster"),
        ] {
            let names = names(why);
            if !names.is_empty() {
                text.push_str(&format!("; behind {names} {tail}"));
            }
        }
    }
    if let (true, Some(cluster)) = (moved.apart, &host.record.cluster) {
        text.push_str(&format!("; apart from the other members of cluster {cluster}"));
    }
    text
}

/// A wave with its limits. Units: `longer_ms` is added to the time that it may take, for windows that open late.
pub(crate) fn planned_wave(
    shape: &Shape,
    name: WaveName,
    hosts: Vec<PlannedHost>,
    longer_ms: u64,
) -> PlannedWave {
    let count = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let needed = (u64::from(count) * u64::from(shape.goal.get())).div_ceil(100);
    PlannedWave {
        name,
        failure_budget: count - u32::try_from(needed).unwrap_or(count),
        hosts,
        goal: shape.goal,
        soak_ms: shape.soak_ms,
        timeout_ms: shape.timeout_ms.saturating_add(longer_ms),
        parallel: shape.parallel,
        advance: shape.advance,
    }
}

/// `wave-1` and so on, counted from 0.
pub(crate) fn wave_name(number: usize) -> WaveName {
    match WaveName::parse(format!("wave-{}", number + 1)) {
        Ok(name) => name,
        Err(error) => unreachable!("a number behind a word is a name: {error}"),
    }
}
