//! Who takes part, and in which order.

use crate::{
    Candidate, PlanInput, coexistence, estimate,
    terms::{self, Warnings},
};
use refit_inventory::{HostRecord, Lifecycle};
use refit_names::{BuildId, ByteSize, HostName, ParameterName};
use refit_packs::catalog::PackSummary;
use refit_plan::{Excluded, Leg, PackPin, Way};
use refit_risk::RiskReason;
use std::collections::{BTreeMap, BTreeSet};

/// A host that takes part.
#[derive(Debug, Clone)]
pub(crate) struct Placed<'a> {
    pub(crate) record: &'a HostRecord,
    pub(crate) risk: u32,
    pub(crate) legs: Vec<Leg>,
    pub(crate) parameters: BTreeMap<ParameterName, String>,
    pub(crate) p50_ms: u64,
    pub(crate) p95_ms: u64,
    pub(crate) undo_p95_ms: u64,
    /// Where its times come from; empty: from its packs.
    pub(crate) estimated_from: String,
    /// What its score is made of.
    pub(crate) reasons: &'a [RiskReason],
}

impl Placed<'_> {
    /// What it fetches.
    pub(crate) fn bytes(&self) -> u64 {
        self.legs.iter().map(|leg| leg.pack.size.0).sum()
    }
}

/// All hosts that were asked for, sorted into those that take part and those that do not.
pub(crate) struct Sorted<'a> {
    pub(crate) placed: Vec<Placed<'a>>,
    pub(crate) excluded: Vec<Excluded>,
    pub(crate) packs: Vec<PackPin>,
    pub(crate) warnings: Warnings,
}

pub(crate) fn sort(input: &PlanInput) -> Sorted<'_> {
    let mut sorted = Sorted {
        placed: Vec::new(),
        excluded: Vec::new(),
        packs: Vec::new(),
        warnings: Warnings::default(),
    };
    let begun =
        |host: &HostName| input.begun.as_ref().is_some_and(|begun| begun.hosts.contains(host));
    let asked = |host: &&Candidate| {
        if begun(&host.record.name) {
            return false;
        }
        if input.wanted.is_empty() {
            host.record.product(&input.product).is_some()
                || host.record.stated_build(&input.product).is_some()
        } else {
            input.wanted.contains(&host.record.name)
        }
    };
    let mut paths = Paths::new();
    sorted.placed.reserve(input.hosts.len());
    for host in input.hosts.iter().filter(asked) {
        match place(input, host, &mut paths, &mut sorted.warnings) {
            Ok(placed) => sorted.placed.push(placed),
            Err(because) => {
                sorted.excluded.push(Excluded { host: host.record.name.clone(), because });
            }
        }
    }
    let Sorted { placed, excluded, warnings, .. } = &mut sorted;
    coexistence::exclude_misfits(input, placed, excluded, warnings);
    exclude_orphans(input, placed, excluded);
    let legs = placed.iter().flat_map(|host| &host.legs).filter(|leg| !leg.is_removal());
    let builds = legs.map(|leg| &leg.pack.to).collect();
    warnings.extend(terms::remarks(input, &builds));
    for leg in sorted.placed.iter().flat_map(|host| &host.legs) {
        if !sorted.packs.contains(&leg.pack) {
            sorted.packs.push(leg.pack.clone());
        }
    }
    sorted.packs.sort_by(|a, b| a.record.cmp(&b.record));
    sorted.excluded.sort_by(|a, b| a.host.cmp(&b.host));
    sorted
}

/// The way to the target from each installed build: most hosts share a few.
type Paths<'a> = BTreeMap<&'a BuildId, Result<Vec<&'a PackSummary>, String>>;

/// Whether `host` takes part, and how; otherwise why not.
fn place<'a>(
    input: &'a PlanInput,
    host: &'a Candidate,
    paths: &mut Paths<'a>,
    warnings: &mut Warnings,
) -> Result<Placed<'a>, String> {
    let record = &host.record;
    if record.lifecycle == Lifecycle::Retired {
        return Err("it is retired".to_owned());
    }
    let seen = record.product(&input.product);
    let from = match (seen, record.stated_build(&input.product)) {
        (Some(_), _) if !host.reachable => {
            let last = record.last_seen.map_or("never".to_owned(), |at| at.to_string());
            return Err(format!("its agent is unreachable, last heard of: {last}"));
        }
        (Some(seen), _) => seen
            .build
            .as_ref()
            .ok_or_else(|| format!("no build of product `{}` is installed", input.product))?,
        (None, Some(build)) if input.demands.stated => build,
        (None, Some(build)) => {
            return Err(format!(
                "its agent has not seen product `{}`; that it is at build `{build}` is only stated",
                input.product
            ));
        }
        (None, None) => return Err(format!("no product `{}` was seen on it", input.product)),
    };
    if *from == input.target {
        return Err(format!("it is already at build `{from}`"));
    }
    let path = paths.entry(from).or_insert_with(|| {
        if input.demands.way == Way::Removal {
            let pack = input.catalog.removal(&input.product, from, &input.target);
            return pack.map(|pack| vec![pack]).map_err(|error| error.to_string());
        }
        let route = input.catalog.route(&input.product, from, &input.target);
        let route = route.map_err(|error| error.to_string())?;
        warnings.extend(route.remarks.iter().map(|why| format!("from build `{from}`: {why}")));
        Ok(route.packs)
    });
    let path = path.as_ref().map_err(Clone::clone)?;
    let legs = match input.demands.way {
        Way::Forward => legs(from, path),
        Way::Removal => removal(from, &input.target, path),
    };
    let mut leaves = from;
    for (pack, leg) in path.iter().zip(&legs) {
        if let Some(cause) = seen.and_then(|seen| seen.quarantined.get(&leg.pack.to)) {
            return Err(format!("build `{}` was rolled back here: {cause}", leg.pack.to));
        }
        if leg.is_removal() {
            // What the pack asks of a host it asks where it is installed.
            continue;
        }
        terms::accepts(pack, leaves, record, warnings)?;
        leaves = &pack.to;
    }
    let times = estimate::of(input, path, &record.role);
    Ok(Placed {
        record,
        risk: host.risk.score,
        legs,
        parameters: seen.map_or_else(BTreeMap::new, |seen| seen.parameters.clone()),
        p50_ms: times.p50_ms,
        p95_ms: times.p95_ms,
        undo_p95_ms: times.undo_p95_ms,
        estimated_from: times.origin,
        reasons: &host.risk.reasons,
    })
}

fn legs(from: &BuildId, path: &[&PackSummary]) -> Vec<Leg> {
    let mut from = from.clone();
    path.iter()
        .map(|pack| {
            let pin = PackPin {
                to: pack.to.clone(),
                record: pack.record.clone(),
                digest: pack.record_digest,
                size: pack.size,
            };
            let from = std::mem::replace(&mut from, pack.to.clone());
            Leg { from, pack: pin, way: Way::Forward }
        })
        .collect()
}

/// The way back over the one pack that was installed last: its record says what goes, and nothing is fetched.
fn removal(from: &BuildId, to: &BuildId, path: &[&PackSummary]) -> Vec<Leg> {
    let leg = |pack: &&PackSummary| Leg {
        from: from.clone(),
        pack: PackPin {
            to: to.clone(),
            record: pack.record.clone(),
            digest: pack.record_digest,
            size: ByteSize(0),
        },
        way: Way::Removal,
    };
    path.iter().map(leg).collect()
}

/// Leaves out hosts that wait for one that is not brought to the target, and those that wait for these in turn.
pub(crate) fn exclude_orphans(
    input: &PlanInput,
    placed: &mut Vec<Placed<'_>>,
    excluded: &mut Vec<Excluded>,
) {
    if placed.iter().all(|host| host.record.after.is_empty()) {
        return;
    }
    let at_target: BTreeSet<&HostName> = input
        .hosts
        .iter()
        .filter(|host| input.build_of(&host.record) == Some(&input.target))
        .map(|host| &host.record.name)
        .collect();
    let mut present: BTreeSet<&HostName> = placed.iter().map(|host| &host.record.name).collect();
    present.extend(input.begun.iter().flat_map(|begun| &begun.hosts));
    let mut waiting: BTreeMap<&HostName, Vec<&HostName>> = BTreeMap::new();
    // By name, or which of two reasons is told would depend on the order of the fleet.
    let mut queue = BTreeSet::new();
    for host in placed.iter() {
        for first in &host.record.after {
            waiting.entry(first).or_default().push(&host.record.name);
            if !present.contains(first) && !at_target.contains(first) {
                queue.insert((&host.record.name, first));
            }
        }
    }
    while let Some((host, first)) = queue.pop_first() {
        if !present.remove(host) {
            continue;
        }
        let because = format!("it comes after `{first}`, which is not in the plan");
        excluded.push(Excluded { host: host.clone(), because });
        let behind = waiting.get(host).into_iter().flatten();
        queue.extend(behind.map(|name| (*name, host)));
    }
    placed.retain(|host| present.contains(&host.record.name));
}
