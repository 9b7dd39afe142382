//! What is wrong with what a plan shall be made of: all of it at once, before anything is planned.

use crate::candidates::Placed;
use crate::people::all_or_has;
use crate::times::{ANY_TIME, moment};
use crate::{Candidate, Fault, PlanInput};
use refit_inventory::{EngineerRecord, HostRecord};
use refit_names::{BuildId, HostName, ProductName, WindowName};
use refit_packs::catalog::Catalog;
use refit_plan::{Pin, PinnedTo, Way};
use std::collections::{BTreeMap, BTreeSet};

/// Faults that can be seen before anybody is placed.
pub(crate) fn of_input(input: &PlanInput) -> Vec<Fault> {
    let mut faults: Vec<Fault> = reserved(input).into_iter().collect();
    duplicates(input, &mut faults);
    faults.extend(unknown_hosts(&input.wanted, input.hosts.iter().map(|host| &host.record.name)));
    faults.extend(unknown_target(&input.catalog, &input.product, &input.target, input.demands.way));
    if input.shape.shares.is_empty() {
        let expected = "at least one share";
        faults.push(Fault::Shape { found: "no shares".to_owned(), expected });
    }
    if input.shape.parallel == 0 {
        let expected = "at least 1";
        faults.push(Fault::Shape { found: "0 hosts at the same time".to_owned(), expected });
    }
    for site in &input.surroundings.sites {
        let none = [
            (site.down_at_once == Some(0), "lets 0 hosts be down at once"),
            (site.bandwidth.is_some_and(|line| line.0 == 0), "has a line of 0 bytes per second"),
        ];
        for (_, found) in none.into_iter().filter(|(wrong, _)| *wrong) {
            faults.push(Fault::SiteLimit { site: site.name.clone(), found: found.to_owned() });
        }
    }
    faults
}

/// Wanted hosts that the fleet does not have.
pub fn unknown_hosts<'a>(
    wanted: &BTreeSet<HostName>,
    fleet: impl Iterator<Item = &'a HostName>,
) -> Option<Fault> {
    if wanted.is_empty() {
        return None;
    }
    let mut unknown: BTreeSet<&HostName> = wanted.iter().collect();
    for host in fleet {
        unknown.remove(host);
    }
    let hosts: Vec<_> = unknown.into_iter().cloned().collect();
    (!hosts.is_empty()).then_some(Fault::UnknownHosts { hosts })
}

/// A target that nothing leads to.
pub fn unknown_target(
    catalog: &Catalog,
    product: &ProductName,
    target: &BuildId,
    way: Way,
) -> Option<Fault> {
    let own = || catalog.packs.iter().filter(|pack| pack.product == *product);
    if own().next().is_none() {
        let published: BTreeSet<_> = catalog.packs.iter().map(|pack| &pack.product).collect();
        let published = published.into_iter().cloned().collect();
        return Some(Fault::UnknownProduct { product: product.clone(), published });
    }
    if way == Way::Removal {
        return catalog.removable(product, target).err().map(Fault::NoRemoval);
    }
    let published: BTreeSet<&BuildId> = own().map(|pack| &pack.to).collect();
    (!published.contains(target)).then(|| Fault::UnknownTarget {
        product: product.clone(),
        target: target.clone(),
        published: published.into_iter().cloned().collect(),
    })
}

fn duplicates(input: &PlanInput, faults: &mut Vec<Fault>) {
    let around = &input.surroundings;
    let hosts = input.hosts.iter().map(|host| host.record.name.as_str());
    let sites = around.sites.iter().map(|site| site.name.as_str());
    let clusters = around.clusters.iter().map(|cluster| cluster.name.as_str());
    let people = around.engineers.iter().map(|person| person.name.as_str());
    for (what, mut names) in [
        ("host", hosts.collect::<Vec<_>>()),
        ("site", sites.collect()),
        ("cluster", clusters.collect()),
        ("engineer", people.collect()),
    ] {
        names.sort_unstable();
        let same = names.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
        faults.extend(same.map(|same| Fault::Duplicate {
            what,
            name: same[0].to_owned(),
            found: same.len(),
        }));
    }
}

/// Faults of the hosts that take part and of what they stand in.
pub(crate) fn of_placed(input: &PlanInput, placed: &[Placed<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    windows(input, placed, &mut faults);
    clusters(input, placed, &mut faults);
    tiers(placed, &mut faults);
    people(input, placed, &mut faults);
    pins(input, placed, &mut faults);
    faults
}

/// Windows that nobody defined, and hosts all of whose windows stay shut, whatever freezes say.
fn windows(input: &PlanInput, placed: &[Placed<'_>], faults: &mut Vec<Fault>) {
    let calendar = &input.surroundings.calendar;
    let opens = |name: &WindowName| opens_at_all(input, name);
    let mut judged: BTreeMap<&WindowName, bool> = BTreeMap::new();
    for host in placed {
        let record = host.record;
        let mut open = record.windows.is_empty();
        for name in &record.windows {
            if calendar.window(name).is_none() {
                let (host, window) = (record.name.to_string(), name.clone());
                faults.push(Fault::UnknownWindow { host, window });
                open = true;
                continue;
            }
            open |= *judged.entry(name).or_insert_with(|| opens(name));
        }
        if !open {
            let names: Vec<_> = record.windows.iter().map(|name| format!("`{name}`")).collect();
            let subject =
                if names.len() == 1 { "its window never opens" } else { "its windows never open" };
            let why = format!(
                "{subject} within {} days from {}: {}",
                input.demands.horizon_days,
                input.now,
                names.join(", ")
            );
            faults.push(Fault::NeverOpens { host: record.name.clone(), why });
        }
        class(input, record, faults);
    }
}

/// A time class that no window of the host, or of the calendar, has.
fn class(input: &PlanInput, record: &HostRecord, faults: &mut Vec<Fault>) {
    let Some(class) = record.time_class else { return };
    let calendar = &input.surroundings.calendar;
    let own: Vec<_> = record.windows.iter().filter_map(|name| calendar.window(name)).collect();
    if own.len() < record.windows.len() {
        return;
    }
    let found = if record.windows.is_empty() {
        calendar.windows().any(|window| window.class == class)
    } else {
        own.iter().any(|window| window.class == class)
    };
    if !found {
        let of = if own.is_empty() { "no window is" } else { "none of its windows is" };
        let why = format!("its time class is {class}, and {of} {class}");
        faults.push(Fault::NeverOpens { host: record.name.clone(), why });
    }
}

fn opens_at_all(input: &PlanInput, name: &WindowName) -> bool {
    let hours = i64::from(input.demands.horizon_days) * 24;
    let until = moment(input.now.as_millisecond().saturating_add(hours * 3_600_000));
    // The first weeks answer for nearly all windows.
    let soon = moment(input.now.as_millisecond().saturating_add(32 * 86_400_000)).min(until);
    let calendar = &input.surroundings.calendar;
    let any = |until| {
        let found = calendar.openings_unfrozen(name, input.now, until).unwrap_or_default();
        found.iter().any(|opening| opening.closes_at > input.now)
    };
    any(soon) || any(until)
}

fn clusters(input: &PlanInput, placed: &[Placed<'_>], faults: &mut Vec<Fault>) {
    let mut members: BTreeMap<&str, BTreeSet<&HostName>> = BTreeMap::new();
    for host in input.hosts.iter().map(|host: &Candidate| &host.record) {
        if let Some(cluster) = host.cluster.as_deref()
            && host.lifecycle == refit_inventory::Lifecycle::Active
        {
            members.entry(cluster).or_default().insert(&host.name);
        }
    }
    let used: BTreeSet<&str> =
        placed.iter().filter_map(|host| host.record.cluster.as_deref()).collect();
    for record in &input.surroundings.clusters {
        let Some(own) = members.get(record.name.as_str()) else { continue };
        if !used.contains(record.name.as_str()) {
            continue;
        }
        let (most, count) = (record.down_at_once, u32::try_from(own.len()).unwrap_or(u32::MAX));
        let mut wrong = |found: String, expected: String| {
            faults.push(Fault::ClusterLimit { cluster: record.name.clone(), found, expected });
        };
        if most == 0 {
            let found =
                format!("lets 0 of its {count} members be down: none could ever be changed");
            wrong(found, format!("1 to {}", count.saturating_sub(1).max(1)));
        }
        if count > 1 && most >= count {
            let found = format!("lets all of its {count} members be down at once ({most})");
            wrong(found, format!("at most {}", count - 1));
        }
        if let Some(limit) = record.members_max.filter(|limit| count > *limit) {
            wrong(format!("has {count} members"), format!("at most {limit}"));
        }
        let twice: BTreeSet<_> = record.order.iter().collect();
        if twice.len() < record.order.len() {
            wrong("has a host twice in its order".to_owned(), "each once".to_owned());
        }
        for host in record.order.iter().filter(|host| !own.contains(host)) {
            let (cluster, host) = (record.name.clone(), host.clone());
            faults.push(Fault::UnknownMember { cluster, host });
        }
    }
}

fn tiers(placed: &[Placed<'_>], faults: &mut Vec<Fault>) {
    if placed.iter().all(|host| host.record.after.is_empty()) {
        return;
    }
    let tier: BTreeMap<&HostName, u32> =
        placed.iter().map(|host| (&host.record.name, host.record.tier)).collect();
    for host in placed.iter().map(|host| host.record) {
        for first in &host.after {
            if let Some(first_tier) = tier.get(first).filter(|first| **first > host.tier) {
                faults.push(Fault::TierOrder {
                    host: host.name.clone(),
                    tier: host.tier,
                    first: first.clone(),
                    first_tier: *first_tier,
                });
            }
        }
    }
}

fn people(input: &PlanInput, placed: &[Placed<'_>], faults: &mut Vec<Fault>) {
    let engineers = &input.surroundings.engineers;
    for person in engineers {
        faults.extend(hours(input, person));
        for window in &person.available {
            if input.surroundings.calendar.window(window).is_none() {
                let (host, window) = (format!("(engineer) {}", person.name), window.clone());
                faults.push(Fault::UnknownWindow { host, window });
            }
        }
    }
    if engineers.is_empty() {
        return;
    }
    let mut needed: BTreeMap<_, usize> = BTreeMap::new();
    for host in placed.iter().map(|host| host.record) {
        *needed.entry((&host.site, &host.role)).or_default() += 1;
    }
    for ((site, role), hosts) in needed {
        let knows = |person: &EngineerRecord| {
            all_or_has(&person.sites, site) && all_or_has(&person.skills, role)
        };
        if !engineers.iter().any(knows) {
            faults.push(Fault::NobodyKnows { role: role.clone(), site: site.clone(), hosts });
        }
    }
}

/// Why a person can never do anything.
fn hours(input: &PlanInput, person: &EngineerRecord) -> Option<Fault> {
    let fault = |found: String, expected| {
        Some(Fault::NoHours { person: person.name.clone(), found, expected })
    };
    if person.hosts_at_once == 0 {
        return fault("looks after 0 hosts at once".to_owned(), "at least 1");
    }
    let known = |name: &&WindowName| input.surroundings.calendar.window(name).is_some();
    let mut known = person.available.iter().filter(known).peekable();
    known.peek()?;
    if known.all(|name| !opens_at_all(input, name)) {
        let names: Vec<_> = person.available.iter().map(|name| format!("`{name}`")).collect();
        let found = format!(
            "has no hours: {} never open within {} days",
            names.join(", "),
            input.demands.horizon_days
        );
        return fault(found, "a window that opens");
    }
    None
}

fn pins(input: &PlanInput, placed: &[Placed<'_>], faults: &mut Vec<Fault>) {
    if input.demands.pins.is_empty() {
        return;
    }
    let present: BTreeSet<&HostName> = placed.iter().map(|host| &host.record.name).collect();
    let begun =
        |host: &HostName| input.begun.as_ref().is_some_and(|begun| begun.hosts.contains(host));
    let mut seen: BTreeMap<&HostName, &Pin> = BTreeMap::new();
    for pin in &input.demands.pins {
        let mut wrong = |found: String| faults.push(Fault::Pin { host: pin.host.clone(), found });
        if !present.contains(&pin.host) && !begun(&pin.host) {
            wrong("it does not take part in this plan".to_owned());
        }
        if let PinnedTo::Opening(at) = pin.when
            && at < input.now
            && !begun(&pin.host)
        {
            wrong(format!("{at} is in the past, expected a time from {} on", input.now));
        }
        match seen.insert(&pin.host, pin) {
            Some(other) if other.when != pin.when => {
                wrong(format!("{} and {} at once, expected one of them", other.when, pin.when));
            }
            _ => {}
        }
    }
}

/// A window of people's own with the name that the planner uses for "no window".
fn reserved(input: &PlanInput) -> Option<Fault> {
    let taken =
        input.surroundings.calendar.windows().any(|window| window.name.as_str() == ANY_TIME);
    taken.then(|| Fault::Duplicate { what: "window", name: ANY_TIME.to_owned(), found: 2 })
}
