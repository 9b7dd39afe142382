//! Filling waves in order.

use crate::candidates::Placed;
use crate::{PlanInput, Shape};
use refit_names::{HostName, WaveName};
use refit_plan::{PlannedHost, PlannedWave};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a wave while it fills.
#[derive(Default)]
struct Filling {
    hosts: Vec<PlannedHost>,
    clusters: BTreeSet<String>,
}

/// Puts each host into the first wave that has room, lies behind what it depends on and has no other member of its cluster.
///
/// A wave beyond the shape is added when the rules leave no other place.
pub(crate) fn fill(input: &PlanInput, ordered: &[Placed<'_>]) -> Vec<PlannedWave> {
    let room = capacities(&input.shape, ordered.len());
    let mut waves: Vec<Filling> = room.iter().map(|_| Filling::default()).collect();
    let mut wave_of: BTreeMap<&HostName, usize> = BTreeMap::new();
    for (rank, host) in ordered.iter().enumerate() {
        let behind = host.record.after.iter().filter_map(|first| wave_of.get(first)).max();
        let earliest = behind.map_or(0, |wave| wave + 1);
        let by_room = (0..room.len())
            .find(|wave| waves[*wave].hosts.len() < room[*wave])
            .unwrap_or(room.len() - 1);
        let start = earliest.max(by_room);
        let free = |wave: &usize| match (&host.record.cluster, waves.get(*wave)) {
            (Some(cluster), Some(filling)) => !filling.clusters.contains(cluster),
            _ => true,
        };
        let at = (start..).find(free).unwrap_or(start);
        while waves.len() <= at {
            waves.push(Filling::default());
        }
        let moved = Moved { behind: earliest > by_room, apart: at > start };
        let because = because((rank, ordered.len()), host, &moved);
        waves[at].clusters.extend(host.record.cluster.clone());
        waves[at].hosts.push(planned(host, because));
        wave_of.insert(&host.record.name, at);
    }
    let full = waves.into_iter().filter(|wave| !wave.hosts.is_empty());
    full.enumerate().map(|(number, wave)| planned_wave(&input.shape, number, wave.hosts)).collect()
}

/// How many hosts each wave takes: at least one each while there are hosts; the last takes the rest.
fn capacities(shape: &Shape, hosts: usize) -> Vec<usize> {
    let mut left = hosts;
    let last = shape.shares.len() - 1;
    let mut capacities = Vec::with_capacity(shape.shares.len());
    for (wave, share) in shape.shares.iter().enumerate() {
        let wished = (hosts * usize::from(share.get())).div_ceil(100).max(1);
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

fn because((rank, of): (usize, usize), host: &Placed<'_>, moved: &Moved) -> String {
    let mut text = format!("risk {}, place {} of {of}", host.risk, rank + 1);
    if moved.behind {
        let first: Vec<_> = host.record.after.iter().map(HostName::as_str).collect();
        text.push_str(&format!("; behind {} on which it depends", first.join(", ")));
    }
    if let (true, Some(cluster)) = (moved.apart, &host.record.cluster) {
        text.push_str(&format!("; apart from the other members of cluster {cluster}"));
    }
    text
}

fn planned(host: &Placed<'_>, because: String) -> PlannedHost {
    PlannedHost {
        host: host.record.name.clone(),
        site: host.record.site.clone(),
        role: host.record.role.clone(),
        risk: host.risk,
        because,
        legs: host.legs.clone(),
        parameters: host.parameters.clone(),
        p95_ms: host.p95_ms,
        undo_p95_ms: host.undo_p95_ms,
        p50_ms: 0,
        validation_ms: 0,
        estimated_from: String::new(),
        reasons: Vec::new(),
        slot: None,
    }
}

fn planned_wave(shape: &Shape, number: usize, hosts: Vec<PlannedHost>) -> PlannedWave {
    let count = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let needed = (u64::from(count) * u64::from(shape.goal.get())).div_ceil(100);
    let text = format!("wave-{}", number + 1);
    PlannedWave {
        name: match WaveName::parse(text) {
            Ok(name) => name,
            Err(error) => unreachable!("a number behind a word is a name: {error}"),
        },
        failure_budget: count - u32::try_from(needed).unwrap_or(count),
        hosts,
        goal: shape.goal,
        soak_ms: shape.soak_ms,
        timeout_ms: shape.timeout_ms,
        parallel: shape.parallel,
        advance: shape.advance,
    }
}
