//! Do builds that must not run side by side in a cluster, or not for long, do so?

use crate::{Case, Finding, Rule, find, ms};
use refit_inventory::HostRecord;
use refit_names::{BuildId, HostName};
use refit_packs::manifest::Coexistence;
use refit_plan::PlannedHost;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn coexistence(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut clusters: BTreeMap<&str, Vec<&HostRecord>> = BTreeMap::new();
    for host in case.input.hosts {
        if let Some(cluster) = host.cluster.as_deref().filter(|_| case.build(&host.name).is_some())
        {
            clusters.entry(cluster).or_default().push(host);
        }
    }
    let planned: BTreeMap<_, _> = case.plan.hosts().map(|(_, host)| (&host.host, host)).collect();
    for (name, members) in clusters.into_iter().filter(|(_, members)| members.len() > 1) {
        let new = |host: &&HostRecord| !case.plan.begun.contains(&host.name);
        let movers = members.iter().copied().filter(new);
        let movers: Vec<_> = movers.filter_map(|host| planned.get(&host.name).copied()).collect();
        let mut builds: BTreeMap<&BuildId, Vec<&HostName>> = BTreeMap::new();
        for (seen, host) in members.iter().filter_map(|host| Some((case.build(&host.name)?, host)))
        {
            builds.entry(seen).or_default().push(&host.name);
        }
        let legs = |mover: &'_ &PlannedHost| -> BTreeSet<BuildId> {
            mover.legs.iter().map(|leg| leg.pack.to.clone()).collect()
        };
        for mover in &movers {
            for (to, rule) in legs(mover).iter().filter_map(|to| terms(case, to)) {
                beside((name, &builds, &mover.host), (to, rule), findings);
            }
        }
        let to: BTreeSet<BuildId> = movers.iter().flat_map(legs).collect();
        for (to, rule) in to.iter().filter_map(|to| terms(case, to)) {
            if let Some(limit) = rule.for_ms {
                for_long(case, (name, &members, &movers), (to, limit), findings);
            }
        }
    }
}

fn terms<'a>(case: &Case<'a>, to: &BuildId) -> Option<(&'a BuildId, &'a Coexistence)> {
    let mut packs = case.catalog.packs.iter();
    let pack = packs.find(|pack| pack.product == case.plan.product && pack.to == *to)?;
    Some((&pack.to, pack.terms.coexistence.as_ref()?))
}

fn beside(
    (cluster, builds, mover): (&str, &BTreeMap<&BuildId, Vec<&HostName>>, &HostName),
    (to, rule): (&BuildId, &Coexistence),
    findings: &mut Vec<Finding>,
) {
    let forbidden =
        builds.iter().filter(|(build, _)| **build != to && !rule.with.contains(**build));
    for (other, hosts) in forbidden {
        if let Some(host) = hosts.iter().find(|host| **host != mover) {
            let text = format!(
                "build {to} goes to {mover} of cluster {cluster}, where host {host} has build {other}, expected one that it may run beside"
            );
            find(findings, Rule::Coexistence, text);
        }
    }
}

fn for_long(
    case: &Case<'_>,
    (cluster, members, movers): (&str, &[&HostRecord], &[&PlannedHost]),
    (to, limit): (&BuildId, u64),
    findings: &mut Vec<Finding>,
) {
    let moved = |host: &&&HostRecord| {
        let planned = movers.iter().any(|mover| mover.host == host.name);
        planned || case.plan.begun.contains(&host.name)
    };
    let stays = members.iter().filter(|host| case.build(&host.name) != Some(&case.plan.target));
    // Without times nothing can be said of how long.
    let timed: Vec<_> =
        movers.iter().filter_map(|host| Some((ms(host.slot.as_ref()?.starts_at), *host))).collect();
    if timed.is_empty() {
        return;
    }
    for host in stays.filter(|host| !moved(host)) {
        let text = format!(
            "build {to} goes to cluster {cluster} and host {} stays behind, expected no longer than {limit} ms beside others",
            host.name
        );
        find(findings, Rule::Coexistence, text);
    }
    let from = timed.iter().map(|(start, _)| *start).min().unwrap_or(0);
    let ends = timed
        .iter()
        .map(|(start, host)| start.saturating_add(i64::try_from(host.p95_ms).unwrap_or(i64::MAX)));
    let mixed = ends.max().unwrap_or(0).saturating_sub(from);
    if mixed > i64::try_from(limit).unwrap_or(i64::MAX) {
        let text = format!(
            "build {to} runs beside others in cluster {cluster} for {mixed} ms, expected at most {limit}"
        );
        find(findings, Rule::Coexistence, text);
    }
}
