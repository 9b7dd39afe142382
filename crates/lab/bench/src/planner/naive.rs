//! First fit: each host in turn, at the first moment of its openings at which nothing that was placed before is in its way.

use anyhow::{Context as _, Result};
use refit_inventory::HostRecord;
use refit_planner::PlanInput;
use std::collections::{BTreeMap, BTreeSet};

/// One placed host.
struct Taken {
    start: i64,
    end: i64,
    site: String,
    person: usize,
}

/// When a plan in the waves of the design's rules ends, in milliseconds since 1970.
pub(super) fn finish(input: &PlanInput) -> Result<i64> {
    let mut hosts: Vec<_> = input.hosts.iter().collect();
    hosts.sort_by_key(|host| (host.risk.score, host.record.name.clone()));
    let mut release = input.now.as_millisecond();
    let mut last = release;
    for wave in waves(input, &hosts.iter().map(|host| &host.record).collect::<Vec<_>>()) {
        let mut taken: Vec<Taken> = Vec::new();
        for record in wave {
            let place = first_fit(input, record, release, &taken)?;
            last = last.max(place.end);
            taken.push(place);
        }
        release = last + i64::try_from(input.shape.soak_ms)?;
    }
    Ok(last)
}

fn waves<'a>(input: &PlanInput, hosts: &[&'a HostRecord]) -> Vec<Vec<&'a HostRecord>> {
    let mut waves: Vec<(Vec<&HostRecord>, BTreeSet<String>, usize)> = Vec::new();
    let mut left = hosts.len();
    for (at, share) in input.shape.shares.iter().enumerate() {
        let wished = (hosts.len() * usize::from(share.get())).div_ceil(100).max(1);
        let room = if at + 1 == input.shape.shares.len() { left } else { wished.min(left) };
        left -= room;
        waves.push((Vec::new(), BTreeSet::new(), room));
    }
    for host in hosts {
        let last = input.shape.shares.len() - 1;
        let start =
            waves.iter().position(|(members, _, room)| members.len() < *room).unwrap_or(last);
        let cluster = host.cluster.clone();
        let free = |wave: &(Vec<_>, BTreeSet<String>, usize)| {
            cluster.as_ref().is_none_or(|cluster| !wave.1.contains(cluster))
        };
        let at = (start..waves.len()).find(|at| free(&waves[*at])).unwrap_or(waves.len());
        if at == waves.len() {
            waves.push((Vec::new(), BTreeSet::new(), 0));
        }
        waves[at].1.extend(cluster);
        waves[at].0.push(host);
    }
    waves.into_iter().map(|(members, _, _)| members).collect()
}

fn first_fit(input: &PlanInput, host: &HostRecord, release: i64, taken: &[Taken]) -> Result<Taken> {
    let (busy, undo) = times(input, host)?;
    let until = jiff::Timestamp::from_millisecond(release + 200 * 86_400_000)?;
    let place = refit_planbook::model::place(host, &input.product);
    let mut openings = Vec::new();
    for window in &host.windows {
        let from = jiff::Timestamp::from_millisecond(release)?;
        openings.extend(input.surroundings.calendar.openings(window, &place, from, until)?);
    }
    openings.sort_by_key(|opening| opening.opens_at);
    for opening in openings {
        let from = opening.opens_at.as_millisecond().max(release);
        let last = opening.closes_at.as_millisecond() - busy - undo;
        let ends = taken.iter().map(|other| other.end).filter(|end| *end > from && *end <= last);
        let mut starts: Vec<i64> =
            std::iter::once(from).filter(|at| *at <= last).chain(ends).collect();
        starts.sort_unstable();
        starts.dedup();
        for start in starts {
            if let Some(person) = free(input, host, (start, start + busy), taken) {
                return Ok(Taken { start, end: start + busy, site: host.site.to_string(), person });
            }
        }
    }
    anyhow::bail!("first fit finds no place for {}", host.name)
}

fn times(input: &PlanInput, host: &HostRecord) -> Result<(i64, i64)> {
    let build = host.product(&input.product).and_then(|seen| seen.build.as_ref());
    let path = input.catalog.path(&input.product, build.context("no build")?, &input.target)?;
    let of = |pack: &&refit_planbook::model::Pack| {
        let measured = input.history.get(&(pack.record_digest, host.role.clone()));
        measured.map_or(0, |measured| measured.p95_ms)
    };
    let busy: u64 = path.iter().map(of).sum();
    let undo = input.estimates.values().map(|estimate| estimate.undo_p95_ms).max().unwrap_or(0);
    Ok((i64::try_from(busy + input.demands.validation_ms)?, i64::try_from(undo)?))
}

/// Who could do it then, if nothing else is in the way.
fn free(
    input: &PlanInput,
    host: &HostRecord,
    (start, end): (i64, i64),
    taken: &[Taken],
) -> Option<usize> {
    let around: Vec<&Taken> =
        taken.iter().filter(|other| other.start < end && other.end > start).collect();
    // The most at once is reached when something starts.
    let most = |of: &dyn Fn(&Taken) -> bool| {
        let moments = around.iter().map(|other| other.start.max(start));
        let at = |when: i64| {
            around
                .iter()
                .filter(|other| of(other) && other.start <= when && other.end > when)
                .count()
        };
        moments.map(at).max().unwrap_or(0)
    };
    let site = input.surroundings.sites.iter().find(|site| site.name == host.site);
    let limit = site.and_then(|site| site.down_at_once).map_or(usize::MAX, |most| most as usize);
    if most(&|_| true) >= input.shape.parallel as usize
        || most(&|other| other.site == host.site.as_str()) >= limit
    {
        return None;
    }
    let mut load: BTreeMap<usize, bool> = BTreeMap::new();
    for other in &around {
        let elsewhere = load.entry(other.person).or_default();
        *elsewhere |= other.site != host.site.as_str();
    }
    let people = input.surroundings.engineers.iter().enumerate();
    let mut able = people.filter(|(_, person)| {
        (person.sites.is_empty() || person.sites.contains(&host.site))
            && (person.skills.is_empty() || person.skills.contains(&host.role))
    });
    able.find(|(at, person)| match load.get(at) {
        None => true,
        Some(true) => false,
        Some(false) => most(&|other| other.person == *at) < person.hosts_at_once as usize,
    })
    .map(|(at, _)| at)
}
