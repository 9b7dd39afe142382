//! Builds that must not run side by side in a cluster, or not for long.

use crate::{
    PlanInput,
    attempt::Attempt,
    board::ms,
    candidates::{self, Placed},
    terms::Warnings,
    text,
};
use refit_names::{BuildId, HostName};
use refit_packs::manifest::Coexistence;
use refit_plan::{Excluded, Leg, Way};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves out members of clusters whose builds must not run side by side, and tells how long the others may.
pub(crate) fn exclude_misfits(
    input: &PlanInput,
    placed: &mut Vec<Placed<'_>>,
    excluded: &mut Vec<Excluded>,
    warnings: &mut Warnings,
) {
    let rules = rules(input);
    if rules.is_empty() {
        return;
    }
    let clusters = members(input);
    let mut told: BTreeSet<&str> = BTreeSet::new();
    placed.retain(|host| {
        let Some((cluster, members)) = shared(host, &clusters) else { return true };
        for (build, rule) in of_legs(&rules, host) {
            let others = members
                .iter()
                .filter(|(_, names)| names.iter().any(|name| *name != &host.record.name));
            // On the way back it is the build before that comes beside the others.
            let back = (input.demands.way == Way::Removal).then_some(&input.target);
            let mut others = others.map(|(other, _)| *other).chain(back);
            let misfit = others.find(|other| *other != build && !rule.with.contains(*other));
            if let Some(other) = misfit {
                let because = format!(
                    "build `{build}` must not run beside build `{other}` in cluster {cluster}{}",
                    reason(rule)
                );
                excluded.push(Excluded { host: host.record.name.clone(), because });
                return false;
            }
            if let Some(limit) = rule.for_ms.filter(|_| told.insert(cluster)) {
                warnings.extend([format!(
                    "cluster {cluster}: build `{build}` may run beside others for {} only{}",
                    text::span(ms(limit)),
                    reason(rule)
                )]);
            }
        }
        true
    });
}

/// Leaves out members of clusters whose builds would run side by side for too long; none when there are none of those.
///
/// Units: milliseconds, from the start of a cluster's first member until its last one has surely ended.
pub(crate) fn without_long_mixes<'a>(
    input: &'a PlanInput,
    tried: &Attempt<'a>,
    excluded: &mut Vec<Excluded>,
) -> Option<Vec<Placed<'a>>> {
    tried.board.as_ref()?;
    let limited = |(_, rule): &(&BuildId, &Coexistence)| rule.for_ms.is_some();
    let rules: Rules<'_> = rules(input).into_iter().filter(limited).collect();
    if rules.is_empty() {
        return None;
    }
    let clusters = members(input);
    let mut spans: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let begun = input.begun.iter().flat_map(|begun| &begun.hosts);
    let mut inside: BTreeSet<&HostName> = begun.collect();
    for (host, place) in tried.ordered.iter().zip(&tried.places) {
        inside.insert(&host.record.name);
        let Some(((cluster, _), place)) = shared(host, &clusters).zip(place.as_ref()) else {
            continue;
        };
        let end = place.start.saturating_add(ms(host.p95_ms));
        let span = spans.entry(cluster).or_insert((place.start, end));
        *span = (span.0.min(place.start), span.1.max(end));
    }
    let before = excluded.len();
    let mut left = Vec::with_capacity(tried.ordered.len());
    for host in &tried.ordered {
        let why = shared(host, &clusters).and_then(|(cluster, members)| {
            let rules = of_legs(&rules, host);
            let limited = rules.filter_map(|(build, rule)| Some((rule.for_ms?, build, rule)));
            let (limit, build, rule) = limited.min_by_key(|(limit, ..)| *limit)?;
            let (from, until) = spans.get(cluster)?;
            let mixed = until.saturating_sub(*from);
            let stays = members.iter().filter(|(seen, _)| **seen != &input.target).find_map(
                |(seen, names)| Some((names.iter().find(|name| !inside.contains(*name))?, seen)),
            );
            let found = match stays {
                Some((name, seen)) => format!("`{name}` would stay at build `{seen}`"),
                None if mixed > ms(limit) => format!(
                    "its members would take {} from the first one's start to the last one's end",
                    text::span(mixed)
                ),
                None => return None,
            };
            Some(format!(
                "build `{build}` may run beside others in cluster {cluster} for {} only, and {found}{}",
                text::span(ms(limit)),
                reason(rule)
            ))
        });
        match why {
            Some(because) => excluded.push(Excluded { host: host.record.name.clone(), because }),
            None => left.push(host.clone()),
        }
    }
    if excluded.len() == before {
        return None;
    }
    candidates::exclude_orphans(input, &mut left, excluded);
    Some(left)
}

/// What packs of the product say, with the builds that they lead to.
type Rules<'a> = Vec<(&'a BuildId, &'a Coexistence)>;

fn rules(input: &PlanInput) -> Rules<'_> {
    let packs = input.catalog.packs.iter().filter(|pack| pack.product == input.product);
    packs.filter_map(|pack| Some((&pack.to, pack.terms.coexistence.as_ref()?))).collect()
}

/// Those of a host's legs.
fn of_legs<'a>(
    rules: &Rules<'a>,
    host: &Placed<'_>,
) -> impl Iterator<Item = (&'a BuildId, &'a Coexistence)> {
    let leads = |build: &BuildId| host.legs.iter().any(|leg| newer(leg) == build);
    rules.iter().copied().filter(move |(build, _)| leads(build))
}

/// Whose rule counts: that of the newer build, whichever way a host goes.
fn newer(leg: &Leg) -> &BuildId {
    if leg.is_removal() { &leg.from } else { &leg.pack.to }
}

fn reason(rule: &Coexistence) -> String {
    if rule.because.is_empty() { String::new() } else { format!(": {}", rule.because) }
}

/// Members of each cluster that have the product, by their builds.
type Members<'a> = BTreeMap<&'a BuildId, Vec<&'a HostName>>;

fn members(input: &PlanInput) -> BTreeMap<&str, Members<'_>> {
    let mut clusters: BTreeMap<&str, Members<'_>> = BTreeMap::new();
    for host in &input.hosts {
        let build = input.build_of(&host.record);
        if let (Some(cluster), Some(build)) = (host.record.cluster.as_deref(), build) {
            clusters.entry(cluster).or_default().entry(build).or_default().push(&host.record.name);
        }
    }
    clusters
}

/// The cluster that a host shares with others, and its members.
fn shared<'a>(
    host: &Placed<'a>,
    clusters: &'a BTreeMap<&'a str, Members<'a>>,
) -> Option<(&'a str, &'a Members<'a>)> {
    let cluster = host.record.cluster.as_deref()?;
    let members = clusters.get(cluster)?;
    (members.values().map(Vec::len).sum::<usize>() > 1).then_some((cluster, members))
}
