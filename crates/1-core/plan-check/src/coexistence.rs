//! Do builds that must not run side by side in a cluster, or not for long, do so?

use crate::{Case, Finding, Rule, find, ms};
use refit_names::{BuildId, HostName};
use refit_packs::manifest::Coexistence;
use refit_plan::PlannedHost;
use std::collections::BTreeMap;

pub(crate) fn coexistence(case: &Case<'_>, findings: &mut Vec<Finding>) {
    if case.catalog.packs.iter().all(|pack| pack.terms.coexistence.is_none()) {
        return;
    }
    let mut clusters: BTreeMap<&str, Members<'_>> = BTreeMap::new();
    for host in case.input.hosts {
        if let (Some(cluster), Some(build)) = (host.cluster.as_deref(), case.build(&host.name)) {
            clusters.entry(cluster).or_default().entry(build).or_default().push(&host.name);
        }
    }
    let planned: BTreeMap<_, _> = case.plan.hosts().map(|(_, host)| (&host.host, host)).collect();
    for (name, builds) in clusters {
        let members = || builds.values().flatten().copied();
        if members().count() < 2 {
            continue;
        }
        let new = members().filter(|member| !case.plan.begun.contains(*member));
        let movers: Vec<&PlannedHost> = new.filter_map(|new| planned.get(new).copied()).collect();
        let mut limits: BTreeMap<&BuildId, u64> = BTreeMap::new();
        for mover in &movers {
            for leg in &mover.legs {
                let newer = if leg.is_removal() { &leg.from } else { &leg.pack.to };
                let Some((to, rule)) = terms(case, newer) else { continue };
                beside((name, &builds, &mover.host), (to, rule), findings);
                if leg.is_removal() && !rule.with.contains(&leg.pack.to) {
                    let text = format!(
                        "build {} comes back on {} of cluster {name}, where build {to} still runs, expected one that it may run beside",
                        leg.pack.to, mover.host
                    );
                    find(findings, Rule::Coexistence, text);
                }
                limits.extend(rule.for_ms.map(|limit| (to, limit)));
            }
        }
        let stays = builds.iter().filter(|(build, _)| **build != &case.plan.target);
        let stays = stays.flat_map(|(_, hosts)| hosts).copied();
        let stays =
            stays.filter(|host| !planned.contains_key(host) && !case.plan.begun.contains(*host));
        let stays: Vec<&HostName> = stays.collect();
        for (to, limit) in limits {
            for_long((name, &stays, &movers), (to, limit), findings);
        }
    }
}

/// Members of a cluster that have the product, by their builds.
type Members<'a> = BTreeMap<&'a BuildId, Vec<&'a HostName>>;

fn terms<'a>(case: &Case<'a>, to: &BuildId) -> Option<(&'a BuildId, &'a Coexistence)> {
    let mut packs = case.catalog.packs.iter();
    let pack = packs.find(|pack| pack.product == case.plan.product && pack.to == *to)?;
    Some((&pack.to, pack.terms.coexistence.as_ref()?))
}

fn beside(
    (cluster, builds, mover): (&str, &Members<'_>, &HostName),
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
    (cluster, stays, movers): (&str, &[&HostName], &[&PlannedHost]),
    (to, limit): (&BuildId, u64),
    findings: &mut Vec<Finding>,
) {
    // Without times nothing can be said of how long.
    let timed: Vec<_> =
        movers.iter().filter_map(|host| Some((ms(host.slot.as_ref()?.starts_at), *host))).collect();
    if timed.is_empty() {
        return;
    }
    for host in stays {
        let text = format!(
            "build {to} goes to cluster {cluster} and host {host} stays behind, expected no longer than {limit} ms beside others"
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
