//! Does every host with a time stand in an opening of its own, outside of freezes, with room for its way back?

use crate::{Case, Finding, Rule, busy, find, ms};
use refit_inventory::HostRecord;
use refit_names::WindowName;
use refit_plan::{PlannedHost, Slot};
use std::collections::BTreeMap;

/// The name of the window of hosts that have none.
const NO_WINDOW: &str = "any-time";

/// Whoever has windows, a time class or a pin has a time, and none lies before the plan.
pub(crate) fn times(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (_, host) in case.plan.hosts().filter(|(_, host)| !case.plan.begun.contains(&host.host)) {
        let Some(record) = case.hosts.get(&host.host) else { continue };
        match &host.slot {
            Some(slot) if slot.starts_at < case.plan.made_at => {
                let text = format!(
                    "host {} starts at {}, before the plan was made at {}",
                    host.host, slot.starts_at, case.plan.made_at
                );
                find(findings, Rule::Times, text);
            }
            None if case.input.calendar.is_some() && asks(case, record) => {
                let text =
                    format!("host {} has no time, although its windows ask for one", host.host);
                find(findings, Rule::Times, text);
            }
            _ => {}
        }
    }
}

fn asks(case: &Case<'_>, record: &HostRecord) -> bool {
    let pinned = case.input.pins.iter().any(|pin| pin.host == record.name);
    pinned || !record.windows.is_empty() || record.time_class.is_some()
}

pub(crate) fn openings(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<&WindowName, Vec<(i64, i64)>> = BTreeMap::new();
    for (_, host, slot) in case.slots() {
        let (start, done) = busy(host, slot);
        let back = done.saturating_add(i64::try_from(host.undo_p95_ms).unwrap_or(i64::MAX));
        let (opens, closes) = (ms(slot.opening.opens_at), ms(slot.opening.closes_at));
        if start < opens || back > closes {
            let text = format!(
                "host {} needs {} + {} + {} ms from {} on, expected an end within its opening from {} until {}",
                host.host,
                host.p95_ms,
                host.validation_ms,
                host.undo_p95_ms,
                slot.starts_at,
                slot.opening.opens_at,
                slot.opening.closes_at
            );
            find(findings, Rule::Reserve, text);
        }
        let Some(record) = case.hosts.get(&host.host) else { continue };
        if let Some(text) = stranger(case, record, host, slot, &mut known) {
            find(findings, Rule::Windows, text);
        }
    }
}

/// Why the opening is none of the host's.
fn stranger<'a>(
    case: &Case<'a>,
    record: &HostRecord,
    host: &PlannedHost,
    slot: &'a Slot,
    known: &mut BTreeMap<&'a WindowName, Vec<(i64, i64)>>,
) -> Option<String> {
    let calendar = case.input.calendar?;
    let name = &slot.opening.window;
    if name.as_str() == NO_WINDOW {
        let free = record.windows.is_empty() && record.time_class.is_none();
        return (!free).then(|| {
            format!("host {} has no window, although it has windows or a time class", host.host)
        });
    }
    if !record.windows.is_empty() && !record.windows.contains(name) {
        return Some(format!(
            "host {} stands in window {name}, which is none of its own",
            host.host
        ));
    }
    if record.windows.is_empty() && record.time_class.is_none() {
        return Some(format!("host {} has no windows and stands in window {name}", host.host));
    }
    let Some(window) = calendar.window(name) else {
        return Some(format!("host {} stands in window {name}, which is not defined", host.host));
    };
    if window.class != slot.class || record.time_class.is_some_and(|class| class != window.class) {
        let text = format!(
            "host {} is said to stand in {} time, window {name} is {}, and the host wants {:?}",
            host.host, slot.class, window.class, record.time_class
        );
        return Some(text);
    }
    let found = known.entry(name).or_insert_with(|| {
        let last = case.slots().filter(|(_, _, other)| other.opening.window == *name);
        let until = last.map(|(_, _, other)| other.opening.closes_at).max();
        let until = until.unwrap_or(case.plan.made_at);
        let open = calendar.openings_unfrozen(name, case.plan.made_at, until).unwrap_or_default();
        open.iter().map(|one| (ms(one.opens_at), ms(one.closes_at))).collect()
    });
    let (opens, closes) = (ms(slot.opening.opens_at), ms(slot.opening.closes_at));
    // Freezes may cut an opening; what is left lies inside of it.
    let at = found.partition_point(|(from, _)| *from <= opens);
    let inside = found[..at].last().is_some_and(|(_, until)| *until >= closes);
    (!inside).then(|| {
        format!(
            "host {} stands in an opening of window {name} from {} until {}, which does not exist",
            host.host, slot.opening.opens_at, slot.opening.closes_at
        )
    })
}

pub(crate) fn freezes(case: &Case<'_>, findings: &mut Vec<Finding>) {
    if case.plan.emergency.is_some() {
        if case.plan.approvals_needed < 2 {
            let text = format!(
                "an emergency needs an approval of its own: {} must agree, expected at least 2",
                case.plan.approvals_needed
            );
            find(findings, Rule::Freezes, text);
        }
        return;
    }
    let Some(calendar) = case.input.calendar else { return };
    for (_, host, slot) in case.slots() {
        let (start, done) = busy(host, slot);
        let back = done.saturating_add(i64::try_from(host.undo_p95_ms).unwrap_or(i64::MAX));
        let hit = calendar.freezes().iter().find(|freeze| {
            freeze.scope.covers(&host.site, &host.role, &case.plan.product)
                && freeze.from.as_nanosecond() < i128::from(back) * 1_000_000
                && freeze.until.as_nanosecond() > i128::from(start) * 1_000_000
        });
        if let Some(freeze) = hit {
            let text = format!(
                "host {} starts at {} in freeze {} from {} until {}",
                host.host, slot.starts_at, freeze.name, freeze.from, freeze.until
            );
            find(findings, Rule::Freezes, text);
        }
    }
}
