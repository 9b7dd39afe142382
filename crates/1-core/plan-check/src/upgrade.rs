//! Does every host go where the plan says, over edges that exist?

use crate::{Case, Finding, Rule, find};
use refit_inventory::Lifecycle;
use refit_names::BuildId;
use refit_packs::catalog::PackSummary;
use refit_packs::manifest::UninstallRule;
use refit_plan::{Leg, PLAN_FORMAT, PlannedHost, Way};
use std::collections::BTreeSet;

pub(crate) fn shape(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let plan = case.plan;
    if plan.format != PLAN_FORMAT {
        find(
            findings,
            Rule::Shape,
            format!("format is `{}`, expected `{PLAN_FORMAT}`", plan.format),
        );
    }
    if plan.generation.0 == 0 || (plan.generation.0 > 1) != plan.parent.is_some() {
        let text = format!("generation {} has parent {:?}", plan.generation, plan.parent);
        find(findings, Rule::Shape, format!("{text}, expected a parent from generation 2 on"));
    }
    if plan.waves.is_empty() {
        find(findings, Rule::Shape, "no wave, expected at least one".to_owned());
    }
    for wave in plan.waves.iter().filter(|wave| wave.hosts.is_empty()) {
        find(findings, Rule::Shape, format!("wave {} is empty", wave.name));
    }
}

pub(crate) fn known_hosts(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (_, planned) in case.plan.hosts() {
        let (name, product) = (&planned.host, &case.plan.product);
        let text = match case.hosts.get(name) {
            None => format!("host {name} is not in the fleet"),
            Some(host) if host.lifecycle == Lifecycle::Retired => format!("host {name} is retired"),
            Some(host) => match (host.product(product), case.plan.stated.contains(name)) {
                (Some(_), false) => continue,
                (None, true) if host.stated_build(product).is_some() => continue,
                (None, _) => format!("host {name} has no product {product}"),
                (Some(_), true) => {
                    format!(
                        "product {product} of host {name} was seen, and the plan calls it stated"
                    )
                }
            },
        };
        find(findings, Rule::KnownHost, text);
    }
}

pub(crate) fn legs(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let way = case.plan.way();
    let other = |planned: &PlannedHost| planned.legs.iter().any(|leg| leg.way != way);
    if let Some((_, planned)) = case.plan.hosts().find(|(_, planned)| other(planned)) {
        let text = format!("host {}: a leg leads another way than the plan's first", planned.host);
        find(findings, Rule::Legs, text);
    }
    // The legs of hosts that have begun were judged with the plan before.
    let new = case.plan.hosts().filter(|(_, planned)| !case.plan.begun.contains(&planned.host));
    for (_, planned) in new {
        for text in leg_faults(case, planned) {
            find(findings, Rule::Legs, format!("host {}: {text}", planned.host));
        }
    }
}

fn leg_faults(case: &Case<'_>, planned: &PlannedHost) -> Vec<String> {
    let mut faults = Vec::new();
    let seen = case.hosts.get(&planned.host).and_then(|host| host.product(&case.plan.product));
    let mut at = case.build(&planned.host).cloned();
    for leg in &planned.legs {
        if at.as_ref() != Some(&leg.from) {
            faults.push(format!("leg starts at build {}, expected {at:?}", leg.from));
        }
        faults.extend(match leg.way {
            Way::Forward => edge_fault(case, leg),
            Way::Removal => removal_fault(case, planned, leg),
        });
        if let Some(cause) = seen.and_then(|product| product.quarantined.get(&leg.pack.to)) {
            faults.push(format!("build {} is quarantined: {cause}", leg.pack.to));
        }
        if !case.plan.packs.contains(&leg.pack) {
            faults.push(format!("pack to {} is not among the plan's packs", leg.pack.to));
        }
        at = Some(leg.pack.to.clone());
    }
    if at.as_ref() != Some(&case.plan.target) || planned.legs.is_empty() {
        faults.push(format!("ends at build {at:?}, expected {}", case.plan.target));
    }
    faults
}

fn edge_fault(case: &Case<'_>, leg: &Leg) -> Option<String> {
    let edge = format!("edge {} → {}", leg.from, leg.pack.to);
    let published: Vec<&PackSummary> = case
        .catalog
        .packs
        .iter()
        .filter(|pack| {
            pack.product == case.plan.product
                && pack.to == leg.pack.to
                && pack.from.contains(&leg.from)
        })
        .collect();
    let Some(pack) = published.iter().find(|pack| pack.record_digest == leg.pack.digest) else {
        return Some(format!("{edge} with record {} is not published", leg.pack.digest));
    };
    if pack.record != leg.pack.record || pack.size != leg.pack.size {
        return Some(format!("{edge} names target {}, expected {}", leg.pack.record, pack.record));
    }
    if let Some(reason) = &pack.withdrawn {
        return Some(format!("{edge} was withdrawn: {reason}"));
    }
    if let Some(reason) = pack.blocked.get(&leg.from) {
        return Some(format!("{edge} is blocked: {reason}"));
    }
    let floor = pack.floor.as_ref().filter(|floor| !passed(case, floor, &leg.from))?;
    Some(format!("{edge} leaves out its floor {floor}"))
}

/// One pack goes, the one that the host has; its author lets it.
fn removal_fault(case: &Case<'_>, planned: &PlannedHost, leg: &Leg) -> Option<String> {
    let edge = format!("removal of {} to {}", leg.from, leg.pack.to);
    if planned.legs.len() != 1 {
        return Some(format!("{edge} is one of {} legs, expected it alone", planned.legs.len()));
    }
    let goes = |pack: &&PackSummary| {
        pack.product == case.plan.product && pack.record_digest == leg.pack.digest
    };
    let Some(pack) = case.catalog.packs.iter().find(goes) else {
        return Some(format!("{edge} names record {}, which is not published", leg.pack.digest));
    };
    if pack.to != leg.from || !pack.from.contains(&leg.pack.to) || pack.record != leg.pack.record {
        return Some(format!("{edge} names {}, a pack to {}", leg.pack.record, pack.to));
    }
    let rule = pack.terms.uninstall.as_ref().map(|rule| rule.allowed);
    if rule != Some(UninstallRule::LastPack) {
        return Some(format!(
            "{edge} is allowed: {rule:?}, expected {:?}",
            UninstallRule::LastPack
        ));
    }
    let fetched = leg.pack.size.0 > 0;
    fetched.then(|| format!("{edge} fetches {}, expected nothing", leg.pack.size))
}

/// Whether `at` is the floor or a build that published edges lead to from there.
fn passed(case: &Case<'_>, floor: &BuildId, at: &BuildId) -> bool {
    let mut above = BTreeSet::from([floor]);
    loop {
        let next: Vec<&BuildId> = case
            .catalog
            .packs
            .iter()
            .filter(|pack| pack.product == case.plan.product && !above.contains(&pack.to))
            .filter(|pack| pack.from.iter().any(|from| above.contains(from)))
            .map(|pack| &pack.to)
            .collect();
        if next.is_empty() {
            return above.contains(at);
        }
        above.extend(next);
    }
}
