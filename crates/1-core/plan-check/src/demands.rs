//! Is what people wanted kept: pins, the deadline, what has begun?

use crate::{Case, Finding, Rule, find, ms};
use refit_plan::{PinnedTo, PlannedHost};
use std::collections::BTreeMap;

pub(crate) fn pins(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for pin in case.input.pins {
        let Some((_, host, slot)) = case.slots().find(|(_, host, _)| host.host == pin.host) else {
            continue;
        };
        let kept = match pin.when {
            PinnedTo::Opening(at) => slot.opening.opens_at <= at && at < slot.opening.closes_at,
            PinnedTo::Day(day) => {
                let zone = case.sites.get(&host.site).map_or("UTC", |site| site.zone.as_str());
                let local = refit_calendar::local(slot.starts_at, zone);
                local.is_none_or(|local| local.date() == day)
            }
        };
        if !kept {
            let text =
                format!("host {} starts at {}, pinned to {}", pin.host, slot.starts_at, pin.when);
            find(findings, Rule::Pins, text);
        }
    }
}

pub(crate) fn deadline(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(deadline) = case.plan.deadline else { return };
    for (_, host, slot) in case.slots() {
        if crate::busy(host, slot).1 > ms(deadline) {
            let text = format!(
                "host {} starts at {} and does not end by {deadline}",
                host.host, slot.starts_at
            );
            find(findings, Rule::Deadline, text);
        }
    }
}

/// Hosts that had begun stand in the same wave with the same time as in the plan before.
pub(crate) fn begun(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(parent) = case.input.parent else { return };
    let place = |plan: &'_ refit_plan::Plan| -> BTreeMap<_, (usize, PlannedHost)> {
        let waves = plan.waves.iter().enumerate();
        waves
            .flat_map(|(at, wave)| wave.hosts.iter().map(move |host| (at, host)))
            .filter(|(_, host)| case.plan.begun.contains(&host.host))
            .map(|(at, host)| (host.host.clone(), (at, host.clone())))
            .collect()
    };
    let (before, after) = (place(parent), place(case.plan));
    for (host, stood) in &before {
        match after.get(host) {
            None => find(findings, Rule::Begun, format!("host {host} has begun and is missing")),
            Some(stands) if stands.0 != stood.0 || stands.1.slot != stood.1.slot => {
                let text = format!("host {host} has begun and was moved");
                find(findings, Rule::Begun, text);
            }
            Some(_) => {}
        }
    }
}
