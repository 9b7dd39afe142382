//! Who takes part, and in which order.

use crate::{Candidate, PlanError, PlanInput};
use refit_inventory::{HostRecord, Lifecycle};
use refit_names::{BuildId, HostName, ParameterName};
use refit_packs::catalog::PackSummary;
use refit_packs::manifest::IssueAction;
use refit_plan::{Excluded, Leg, PackPin};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A host that takes part.
pub(crate) struct Placed<'a> {
    pub(crate) record: &'a HostRecord,
    pub(crate) risk: u32,
    pub(crate) legs: Vec<Leg>,
    pub(crate) parameters: BTreeMap<ParameterName, String>,
    pub(crate) p95_ms: u64,
    pub(crate) undo_p95_ms: u64,
}

/// All hosts that were asked for, sorted into those that take part and those that do not.
pub(crate) struct Sorted<'a> {
    pub(crate) placed: Vec<Placed<'a>>,
    pub(crate) excluded: Vec<Excluded>,
    pub(crate) packs: Vec<PackPin>,
    pub(crate) warnings: Vec<String>,
}

pub(crate) fn check_input(input: &PlanInput) -> Result<(), PlanError> {
    let known: BTreeSet<_> = input.hosts.iter().map(|host| &host.record.name).collect();
    let unknown: Vec<_> =
        input.wanted.iter().filter(|host| !known.contains(host)).cloned().collect();
    if !unknown.is_empty() {
        return Err(PlanError::UnknownHosts { hosts: unknown });
    }
    let published = |pack: &PackSummary| pack.product == input.product && pack.to == input.target;
    if !input.catalog.packs.iter().any(published) {
        let (product, target) = (input.product.clone(), input.target.clone());
        return Err(PlanError::UnknownTarget { product, target });
    }
    if input.shape.shares.is_empty() {
        let expected = "at least one share";
        return Err(PlanError::Shape { found: "no shares".to_owned(), expected });
    }
    if input.shape.parallel == 0 {
        let expected = "at least 1";
        return Err(PlanError::Shape { found: "0 hosts at the same time".to_owned(), expected });
    }
    Ok(())
}

pub(crate) fn sort(input: &PlanInput) -> Sorted<'_> {
    let mut sorted = Sorted {
        placed: Vec::new(),
        excluded: Vec::new(),
        packs: Vec::new(),
        warnings: Vec::new(),
    };
    let asked = |host: &&Candidate| {
        if input.wanted.is_empty() {
            host.record.product(&input.product).is_some()
        } else {
            input.wanted.contains(&host.record.name)
        }
    };
    let mut paths = Paths::new();
    for host in input.hosts.iter().filter(asked) {
        match place(input, host, &mut paths, &mut sorted.warnings) {
            Ok(placed) => sorted.placed.push(placed),
            Err(because) => {
                sorted.excluded.push(Excluded { host: host.record.name.clone(), because });
            }
        }
    }
    exclude_orphans(input, &mut sorted);
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
    warnings: &mut Vec<String>,
) -> Result<Placed<'a>, String> {
    let record = &host.record;
    if record.lifecycle == Lifecycle::Retired {
        return Err("it is retired".to_owned());
    }
    let Some(seen) = record.product(&input.product) else {
        return Err(format!("no product `{}` was seen on it", input.product));
    };
    if !host.reachable {
        let last = record.last_seen.map_or("never".to_owned(), |at| at.to_string());
        return Err(format!("its agent is unreachable, last heard of: {last}"));
    }
    let Some(from) = &seen.build else {
        return Err(format!("no build of product `{}` is installed", input.product));
    };
    if *from == input.target {
        return Err(format!("it is already at build `{from}`"));
    }
    let path = paths.entry(from).or_insert_with(|| {
        input.catalog.path(&input.product, from, &input.target).map_err(|error| error.to_string())
    });
    let path = path.as_ref().map_err(Clone::clone)?;
    for pack in path {
        if let Some(cause) = seen.quarantined.get(&pack.to) {
            return Err(format!("build `{}` was rolled back here: {cause}", pack.to));
        }
        known_issues(pack, record, warnings)?;
    }
    let estimate =
        |pack: &PackSummary| input.estimates.get(&pack.record_digest).copied().unwrap_or_default();
    Ok(Placed {
        record,
        risk: host.risk.score,
        legs: legs(from, path),
        parameters: seen.parameters.clone(),
        p95_ms: path.iter().map(|pack| estimate(pack).p95_ms).sum(),
        undo_p95_ms: path.iter().map(|pack| estimate(pack).undo_p95_ms).max().unwrap_or_default(),
    })
}

fn known_issues(
    pack: &PackSummary,
    record: &HostRecord,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let concerned = pack
        .known_issues
        .iter()
        .filter(|i| i.roles.is_empty() || i.roles.contains(record.role.as_str()));
    for issue in concerned {
        let text = format!("known issue {} of build `{}`: {}", issue.id, pack.to, issue.text);
        match issue.action {
            IssueAction::Hold => return Err(text),
            IssueAction::Warn => warnings.push(format!("{}: {text}", record.name)),
        }
    }
    Ok(())
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
            Leg { from: std::mem::replace(&mut from, pack.to.clone()), pack: pin }
        })
        .collect()
}

/// Leaves out hosts that wait for one that is not brought to the target, and those that wait for these in turn.
fn exclude_orphans(input: &PlanInput, sorted: &mut Sorted<'_>) {
    let at_target: BTreeSet<&HostName> = input
        .hosts
        .iter()
        .filter(|host| {
            host.record
                .product(&input.product)
                .is_some_and(|p| p.build.as_ref() == Some(&input.target))
        })
        .map(|host| &host.record.name)
        .collect();
    let mut present: BTreeSet<&HostName> =
        sorted.placed.iter().map(|host| &host.record.name).collect();
    let mut waiting: BTreeMap<&HostName, Vec<&HostName>> = BTreeMap::new();
    let mut queue = VecDeque::new();
    for host in &sorted.placed {
        for first in &host.record.after {
            waiting.entry(first).or_default().push(&host.record.name);
            if !present.contains(first) && !at_target.contains(first) {
                queue.push_back((&host.record.name, first));
            }
        }
    }
    while let Some((host, first)) = queue.pop_front() {
        if !present.remove(host) {
            continue;
        }
        let because = format!("it comes after `{first}`, which is not in the plan");
        sorted.excluded.push(Excluded { host: host.clone(), because });
        let behind = waiting.get(host).into_iter().flatten();
        queue.extend(behind.map(|name| (*name, host)));
    }
    sorted.placed.retain(|host| present.contains(&host.record.name));
}

/// Lowest risk first, by name among equals, never before what a host depends on.
pub(crate) fn order(placed: Vec<Placed<'_>>) -> Result<Vec<Placed<'_>>, PlanError> {
    let mut left: BTreeMap<HostName, Placed<'_>> =
        placed.into_iter().map(|host| (host.record.name.clone(), host)).collect();
    let mut waiting: BTreeMap<HostName, Vec<HostName>> = BTreeMap::new();
    let mut open: BTreeMap<HostName, usize> = BTreeMap::new();
    let mut free: BTreeSet<(u32, HostName)> = BTreeSet::new();
    for (name, host) in &left {
        let firsts: Vec<_> = host.record.after.iter().filter(|f| left.contains_key(*f)).collect();
        for first in &firsts {
            waiting.entry((*first).clone()).or_default().push(name.clone());
        }
        if firsts.is_empty() {
            free.insert((host.risk, name.clone()));
        } else {
            open.insert(name.clone(), firsts.len());
        }
    }
    let mut ordered = Vec::with_capacity(left.len());
    while let Some((_, name)) = free.pop_first() {
        for behind in waiting.remove(&name).unwrap_or_default() {
            let Some(count) = open.get_mut(&behind) else { continue };
            *count -= 1;
            if *count == 0
                && let Some(host) = left.get(&behind)
            {
                free.insert((host.risk, behind));
            }
        }
        ordered.extend(left.remove(&name));
    }
    if left.is_empty() {
        Ok(ordered)
    } else {
        Err(PlanError::Circle { hosts: left.into_keys().collect() })
    }
}
