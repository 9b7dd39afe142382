//! Does every host stand in the right wave?

use crate::{Case, Finding, Rule, find};
use refit_inventory::ClusterRecord;
use refit_names::HostName;
use refit_plan::PlannedHost;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn once_per_host(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    let names = case.plan.hosts().map(|(_, planned)| &planned.host);
    for name in names.chain(case.plan.excluded.iter().map(|excluded| &excluded.host)) {
        if !seen.insert(name) {
            find(findings, Rule::OncePerHost, format!("host {name} stands in more than one place"));
        }
    }
}

/// Waves by number, per host.
fn wave_numbers<'a>(case: &Case<'a>) -> BTreeMap<&'a HostName, usize> {
    let numbered = case.plan.waves.iter().enumerate();
    numbered
        .flat_map(|(number, wave)| wave.hosts.iter().map(move |host| (&host.host, number)))
        .collect()
}

/// A host of lower risk may stand behind one of higher risk only for the sake of its dependencies or its cluster.
pub(crate) fn risk_order(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let waves = wave_numbers(case);
    let mut members: BTreeMap<&str, u32> = BTreeMap::new();
    for name in waves.keys() {
        if let Some(cluster) = case.hosts.get(name).and_then(|host| host.cluster.as_deref()) {
            *members.entry(cluster).or_default() += 1;
        }
    }
    let excused = |planned: &PlannedHost| {
        let Some(host) = case.hosts.get(&planned.host) else { return false };
        let mates = host.cluster.as_deref().and_then(|cluster| members.get(cluster));
        mates.is_some_and(|count| *count > 1)
            || host.after.iter().any(|first| waves.contains_key(first))
    };
    let tier = |planned: &PlannedHost| case.hosts.get(&planned.host).map_or(0, |host| host.tier);
    let mut highest: BTreeMap<u32, &PlannedHost> = BTreeMap::new();
    for wave in &case.plan.waves {
        // What has begun is not moved for whoever comes later.
        if wave.hosts.iter().any(|host| case.plan.begun.contains(&host.host)) {
            continue;
        }
        for host in &wave.hosts {
            if let Some(before) = highest.get(&tier(host))
                && before.risk > host.risk
                && !excused(host)
            {
                let text = format!(
                    "host {} with risk {} stands behind {} with risk {}",
                    host.host, host.risk, before.host, before.risk
                );
                find(findings, Rule::RiskOrder, text);
            }
        }
        for host in &wave.hosts {
            let top = highest.entry(tier(host)).or_insert(host);
            if host.risk > top.risk {
                *top = host;
            }
        }
    }
}

pub(crate) fn dependencies(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let waves = wave_numbers(case);
    for (name, wave) in &waves {
        let Some(host) = case.hosts.get(*name) else { continue };
        for first in &host.after {
            match waves.get(first) {
                Some(number) if number >= wave && !case.plan.begun.contains(*name) => {
                    let text =
                        format!("host {name} depends on {first}, which is not in an earlier wave");
                    find(findings, Rule::Dependencies, text);
                }
                None if !is_at_target(case, first) => {
                    let text = format!(
                        "host {name} depends on {first}, which is neither in the plan nor at the target"
                    );
                    find(findings, Rule::Dependencies, text);
                }
                _ => {}
            }
        }
    }
}

fn is_at_target(case: &Case<'_>, name: &HostName) -> bool {
    case.build(name) == Some(&case.plan.target)
}

pub(crate) fn clusters(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let records: BTreeMap<&str, &ClusterRecord> =
        case.input.clusters.iter().map(|cluster| (cluster.name.as_str(), cluster)).collect();
    for wave in &case.plan.waves {
        let mut members: BTreeMap<&str, Vec<&HostName>> = BTreeMap::new();
        for planned in &wave.hosts {
            let cluster = case.hosts.get(&planned.host).and_then(|host| host.cluster.as_deref());
            if let Some(cluster) = cluster {
                members.entry(cluster).or_default().push(&planned.host);
            }
        }
        for (cluster, found) in members {
            let most = records.get(cluster).map_or(1, |record| record.down_at_once);
            if found.len() > usize::try_from(most).unwrap_or(usize::MAX) {
                let names: Vec<_> = found.iter().map(|host| host.as_str()).collect();
                let text = format!(
                    "wave {} has {} of cluster {cluster}, expected at most {most}",
                    wave.name,
                    names.join(" and ")
                );
                find(findings, Rule::Clusters, text);
            }
        }
    }
    let waves = wave_numbers(case);
    let mut members: BTreeMap<&str, Vec<&HostName>> = BTreeMap::new();
    for name in waves.keys() {
        if let Some(cluster) = case.hosts.get(name).and_then(|host| host.cluster.as_deref()) {
            members.entry(cluster).or_default().push(name);
        }
    }
    for record in records.values().filter(|record| !record.order.is_empty()) {
        let own = members.get(record.name.as_str()).map_or(&[][..], Vec::as_slice);
        cluster_order(case, (record, own), &waves, findings);
    }
}

/// Members that go first stand in earlier waves, in their order; the others behind all of them.
fn cluster_order(
    case: &Case<'_>,
    (record, members): (&ClusterRecord, &[&HostName]),
    waves: &BTreeMap<&HostName, usize>,
    findings: &mut Vec<Finding>,
) {
    let mut last: Option<(&HostName, usize)> = None;
    let first = record.order.iter().filter_map(|host| Some((host, *waves.get(host)?)));
    let others = members.iter().filter(|host| !record.order.contains(host));
    let others = others.filter_map(|host| Some((*host, *waves.get(host)?)));
    let begun = |host: &HostName| case.plan.begun.contains(host);
    for (host, wave) in first {
        if let Some((before, earlier)) =
            last.filter(|(_, earlier)| *earlier >= wave && !begun(host))
        {
            let text = format!(
                "host {host} stands in wave {} of cluster {}, {before} before it in wave {}",
                wave + 1,
                record.name,
                earlier + 1
            );
            find(findings, Rule::Clusters, text);
        }
        last = Some((host, wave));
    }
    for (host, wave) in others {
        if let Some((before, _)) = last.filter(|(_, earlier)| *earlier >= wave && !begun(host)) {
            let text = format!("host {host} of cluster {} is not behind {before}", record.name);
            find(findings, Rule::Clusters, text);
        }
    }
}

/// A whole tier stands in earlier waves than the next.
pub(crate) fn tiers(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut last: Option<(usize, &HostName, u32)> = None;
    let mut hosts: Vec<(u32, usize, &HostName)> = wave_numbers(case)
        .into_iter()
        .filter(|(name, _)| !case.plan.begun.contains(*name))
        .filter_map(|(name, wave)| Some((case.hosts.get(name)?.tier, wave, name)))
        .collect();
    hosts.sort_unstable();
    for tier in hosts.chunk_by(|a, b| a.0 == b.0) {
        let Some((number, first, name)) = tier.first().copied() else { continue };
        if let Some((wave, other, lower)) = last.filter(|(wave, _, _)| *wave >= first) {
            let text = format!(
                "host {name} of tier {number} stands in wave {}, {other} of tier {lower} in wave {}",
                first + 1,
                wave + 1
            );
            find(findings, Rule::Tiers, text);
        }
        let furthest = tier.iter().max_by_key(|(_, wave, _)| *wave);
        last = furthest.map(|(number, wave, name)| (*wave, *name, *number));
    }
}

/// The first wave of each tier holds at most the first share of its hosts, rounded up: trouble meets few.
pub(crate) fn canaries(case: &Case<'_>, findings: &mut Vec<Finding>) {
    // With a single share there are no canaries; behind begun waves they have been.
    let [share, _, ..] = case.input.shares else { return };
    if !case.plan.begun.is_empty() {
        return;
    }
    let mut tiers: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (name, wave) in wave_numbers(case) {
        if let Some(host) = case.hosts.get(name) {
            tiers.entry(host.tier).or_default().push(wave);
        }
    }
    for (tier, waves) in tiers {
        let Some(first) = waves.iter().min() else { continue };
        let found = waves.iter().filter(|wave| *wave == first).count();
        let most = (waves.len() * usize::from(share.get())).div_ceil(100).max(1);
        if found > most {
            let text = format!(
                "{found} of {} hosts of tier {tier} stand in its first wave, expected at most {most}",
                waves.len()
            );
            find(findings, Rule::Canaries, text);
        }
    }
}
