//! Who takes part, and in which order.

use crate::{Candidate, PlanError, PlanInput};
use refit_inventory::{HostRecord, Lifecycle};
use refit_names::{BuildId, HostName, ParameterName};
use refit_packs::catalog::PackSummary;
use refit_packs::manifest::IssueAction;
use refit_plan::{Excluded, Leg, PackPin};
use std::collections::{BTreeMap, BTreeSet};

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
    for host in input.hosts.iter().filter(asked) {
        match place(input, host, &mut sorted.warnings) {
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

/// Whether `host` takes part, and how; otherwise why not.
fn place<'a>(
    input: &PlanInput,
    host: &'a Candidate,
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
    let path =
        input.catalog.path(&input.product, from, &input.target).map_err(|e| e.to_string())?;
    for pack in &path {
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
        legs: legs(from, &path),
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

/// Leaves out hosts that wait for one that is not brought to the target, until none is left.
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
    loop {
        let placed: BTreeSet<HostName> =
            sorted.placed.iter().map(|host| host.record.name.clone()).collect();
        let missing = |host: &Placed<'_>| {
            host.record
                .after
                .iter()
                .find(|name| !placed.contains(*name) && !at_target.contains(name))
                .cloned()
        };
        let orphans: Vec<(HostName, HostName)> = sorted
            .placed
            .iter()
            .filter_map(|host| missing(host).map(|first| (host.record.name.clone(), first)))
            .collect();
        if orphans.is_empty() {
            return;
        }
        for (host, first) in orphans {
            sorted.placed.retain(|placed| placed.record.name != host);
            let because = format!("it comes after `{first}`, which is not in the plan");
            sorted.excluded.push(Excluded { host, because });
        }
    }
}

/// Lowest risk first, by name among equals, never before what a host depends on.
pub(crate) fn order(mut placed: Vec<Placed<'_>>) -> Result<Vec<Placed<'_>>, PlanError> {
    placed.sort_by(|a, b| (a.risk, &a.record.name).cmp(&(b.risk, &b.record.name)));
    let names: BTreeSet<HostName> = placed.iter().map(|host| host.record.name.clone()).collect();
    let mut done: BTreeSet<HostName> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(placed.len());
    while !placed.is_empty() {
        let free = placed.iter().position(|host| {
            host.record.after.iter().all(|first| !names.contains(first) || done.contains(first))
        });
        let Some(free) = free else {
            let hosts = placed.iter().map(|host| host.record.name.clone()).collect();
            return Err(PlanError::Circle { hosts });
        };
        let host = placed.remove(free);
        done.insert(host.record.name.clone());
        ordered.push(host);
    }
    Ok(ordered)
}
