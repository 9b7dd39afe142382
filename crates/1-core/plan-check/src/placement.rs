//! Does every host stand in the right wave?

use crate::{Case, Finding, Rule, find};
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
    let mut highest: Option<&PlannedHost> = None;
    for wave in &case.plan.waves {
        for host in &wave.hosts {
            if let Some(before) = highest
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
        let top = wave.hosts.iter().max_by_key(|host| host.risk);
        highest = match (highest, top) {
            (Some(old), Some(new)) if old.risk >= new.risk => Some(old),
            (old, new) => new.or(old),
        };
    }
}

pub(crate) fn dependencies(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let waves = wave_numbers(case);
    for (name, wave) in &waves {
        let Some(host) = case.hosts.get(*name) else { continue };
        for first in &host.after {
            match waves.get(first) {
                Some(number) if number >= wave => {
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
    let product = case.hosts.get(name).and_then(|host| host.product(&case.plan.product));
    product.is_some_and(|product| product.build.as_ref() == Some(&case.plan.target))
}

pub(crate) fn clusters(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for wave in &case.plan.waves {
        let mut seen: BTreeMap<&str, &HostName> = BTreeMap::new();
        for planned in &wave.hosts {
            let cluster = case.hosts.get(&planned.host).and_then(|host| host.cluster.as_deref());
            let Some(cluster) = cluster else { continue };
            if let Some(other) = seen.insert(cluster, &planned.host) {
                let text = format!(
                    "wave {} has {other} and {} of cluster {cluster}, expected one",
                    wave.name, planned.host
                );
                find(findings, Rule::Clusters, text);
            }
        }
    }
}
