//! Does everybody who is named know the work, have the hours, and stand in one place at a time?

use crate::{Case, Finding, Rule, busy, find};
use refit_inventory::EngineerRecord;
use refit_names::{PersonName, SiteName};
use refit_plan::{PlannedHost, Slot};
use std::collections::BTreeMap;

/// Everybody who is named may do it; somebody is named where people are needed.
pub(crate) fn hands(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let people: BTreeMap<&PersonName, &EngineerRecord> =
        case.input.engineers.iter().map(|person| (&person.name, person)).collect();
    for (_, host, slot) in case.slots() {
        if slot.people.is_empty() && !people.is_empty() {
            find(findings, Rule::Staff, format!("nobody looks after host {}", host.host));
        }
        for name in &slot.people {
            let fault = match people.get(name) {
                None => Some("is not known".to_owned()),
                Some(person) => unfit(case, person, host, slot),
            };
            if let Some(fault) = fault {
                let text = format!("engineer {name} looks after host {} and {fault}", host.host);
                find(findings, Rule::Staff, text);
            }
        }
    }
}

fn unfit(
    case: &Case<'_>,
    person: &EngineerRecord,
    host: &PlannedHost,
    slot: &Slot,
) -> Option<String> {
    if !person.skills.is_empty() && !person.skills.contains(&host.role) {
        return Some(format!("does not know role {}", host.role));
    }
    if !person.sites.is_empty() && !person.sites.contains(&host.site) {
        return Some(format!("cannot be at site {}", host.site));
    }
    let calendar = case.input.calendar.filter(|_| !person.available.is_empty())?;
    let (start, end) = busy(host, slot);
    let until = jiff::Timestamp::from_millisecond(end).unwrap_or(jiff::Timestamp::MAX);
    let open = person.available.iter().flat_map(|window| {
        calendar.openings_unfrozen(window, slot.starts_at, until).unwrap_or_default()
    });
    let mut open: Vec<(i64, i64)> =
        open.map(|one| (one.opens_at.as_millisecond(), one.closes_at.as_millisecond())).collect();
    open.sort_unstable();
    // Hours that touch each other are worked on end.
    let reached =
        open.iter().fold(start, |at, (from, until)| if *from <= at { at.max(*until) } else { at });
    (reached < end).then(|| format!("does not work from {} until {until}", slot.starts_at))
}

/// What somebody does from one moment until another.
struct Duty<'a> {
    from: i64,
    until: i64,
    site: &'a SiteName,
    host: &'a PlannedHost,
}

/// Nobody is in two places, nor with more hosts than they can look after.
pub(crate) fn places(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut duties: BTreeMap<&PersonName, Vec<Duty<'_>>> = BTreeMap::new();
    for (_, host) in case.plan.hosts() {
        let Some(slot) = &host.slot else { continue };
        let (from, until) = busy(host, slot);
        for person in &slot.people {
            let duty = Duty { from, until, site: &host.site, host };
            duties.entry(person).or_default().push(duty);
        }
    }
    let most: BTreeMap<&PersonName, u32> =
        case.input.engineers.iter().map(|person| (&person.name, person.hosts_at_once)).collect();
    for (person, mut duties) in duties {
        duties.sort_by_key(|duty| (duty.from, duty.until));
        let mut now: Vec<&Duty<'_>> = Vec::new();
        for duty in &duties {
            now.retain(|other| other.until > duty.from);
            now.push(duty);
            if let Some(other) = now.iter().find(|other| other.site != duty.site) {
                let text = format!(
                    "engineer {person} is at site {} for host {} and at site {} for host {} at once",
                    other.site, other.host.host, duty.site, duty.host.host
                );
                find(findings, Rule::Staff, text);
            }
            let limit = most.get(person).map_or(usize::MAX, |most| *most as usize);
            if now.len() > limit {
                let text = format!(
                    "engineer {person} looks after {} hosts when {} starts, expected at most {limit}",
                    now.len(),
                    duty.host.host
                );
                find(findings, Rule::Staff, text);
            }
        }
    }
}
