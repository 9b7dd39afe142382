//! From an attempt to a plan.

use crate::attempt::Attempt;
use crate::board::Board;
use crate::candidates::Placed;
use crate::schedule::Placement;
use crate::times::moment;
use crate::waves::{planned_wave, wave_name};
use crate::{PlanInput, text};
use refit_names::{ByteSize, SiteName, TimeClass, counted};
use refit_plan::{PackPin, Plan, PlannedHost, PlannedWave, RiskPoint, Slot, Staging};
use std::collections::BTreeMap;

/// The waves of a plan, with what ran before in its place. Takes out of the attempt what only the plan needs.
pub(crate) fn waves<'a>(input: &'a PlanInput, attempt: &mut Attempt<'a>) -> Vec<PlannedWave> {
    let kept = kept(input);
    let count = attempt.standings.iter().map(|standing| standing.wave + 1).max().unwrap_or(0);
    let mut hosts: Vec<Vec<PlannedHost>> = vec![Vec::new(); count.max(kept.len())];
    for (wave, before) in kept.iter().enumerate() {
        hosts[wave].extend(before.hosts.iter().cloned());
    }
    for number in 0..attempt.ordered.len() {
        let wave = attempt.standings[number].wave;
        let planned = host(input, attempt, number);
        hosts[wave].push(planned);
    }
    let numbered = hosts.into_iter().enumerate().filter(|(_, hosts)| !hosts.is_empty());
    numbered
        .map(|(wave, hosts)| {
            let ends = hosts.iter().filter_map(PlannedHost::ends_at).max();
            let release = attempt.releases.get(wave).copied();
            let longer = ends.zip(release).map_or(0, |(ends, release)| {
                u64::try_from(ends.as_millisecond() - release).unwrap_or(0)
            });
            let name = kept.get(wave).map_or_else(|| wave_name(wave), |before| before.name.clone());
            planned_wave(&input.shape, name, hosts, longer)
        })
        .collect()
}

/// The waves of the plan before, with only the hosts that have begun.
fn kept(input: &PlanInput) -> Vec<PlannedWave> {
    let Some(begun) = &input.begun else { return Vec::new() };
    let stays = |host: &&PlannedHost| begun.hosts.contains(&host.host);
    let mut waves: Vec<PlannedWave> = begun
        .plan
        .waves
        .iter()
        .map(|wave| PlannedWave {
            hosts: wave.hosts.iter().filter(stays).cloned().collect(),
            ..wave.clone()
        })
        .collect();
    while waves.last().is_some_and(|wave| wave.hosts.is_empty()) {
        waves.pop();
    }
    waves
}

/// Hosts that have begun may take packs that nobody else takes any more.
pub(crate) fn add_packs(waves: &[PlannedWave], packs: &mut Vec<PackPin>) {
    for leg in waves.iter().flat_map(|wave| &wave.hosts).flat_map(|host| &host.legs) {
        if !packs.contains(&leg.pack) {
            packs.push(leg.pack.clone());
        }
    }
    packs.sort_by(|a, b| a.record.cmp(&b.record));
}

fn host<'a>(input: &'a PlanInput, attempt: &mut Attempt<'a>, number: usize) -> PlannedHost {
    let standing = &mut attempt.standings[number];
    let mut because = std::mem::take(&mut standing.because);
    let release = attempt.releases.get(standing.wave).copied().unwrap_or(0);
    let placed = &attempt.ordered[number];
    let mut slot = None;
    if let (Some(board), Some(place)) = (&mut attempt.board, attempt.places[number])
        && board.jobs[number].told
    {
        let job = board.jobs[number];
        let why = text::held(input, board, (placed, &job), &place, (standing.wave, release));
        because.push_str("; ");
        because.push_str(&why);
        slot = Some(slot_of(input, board, placed, &place));
    }
    let placed = &mut attempt.ordered[number];
    let record = placed.record;
    PlannedHost {
        host: record.name.clone(),
        site: record.site.clone(),
        role: record.role.clone(),
        risk: placed.risk,
        because,
        legs: std::mem::take(&mut placed.legs),
        parameters: std::mem::take(&mut placed.parameters),
        p50_ms: placed.p50_ms,
        p95_ms: placed.p95_ms,
        undo_p95_ms: placed.undo_p95_ms,
        validation_ms: input.demands.validation_ms,
        estimated_from: std::mem::take(&mut placed.estimated_from),
        reasons: reasons(placed),
        slot,
    }
}

fn reasons(placed: &Placed<'_>) -> Vec<RiskPoint> {
    let each = placed.reasons.iter().map(|reason| RiskPoint {
        code: reason.code.clone(),
        points: reason.points,
        text: reason.text.clone(),
        mitigation: reason.mitigation.clone(),
    });
    each.collect()
}

pub(crate) fn slot_of(
    input: &PlanInput,
    board: &Board<'_>,
    host: &Placed<'_>,
    place: &Placement,
) -> Slot {
    let engineers = &input.surroundings.engineers;
    Slot {
        opening: board.times.opening(&place.span),
        starts_at: moment(place.start),
        class: board.times.class(&place.span, place.start, &host.record.site),
        people: place.person.map(|person| engineers[person].name.clone()).into_iter().collect(),
    }
}

/// When content must set out for each site with a stated line, so that every host has it when it starts.
pub(crate) fn staging(input: &PlanInput, waves: &[PlannedWave]) -> Vec<Staging> {
    let mut starts: BTreeMap<&SiteName, Vec<(i64, u64)>> = BTreeMap::new();
    for host in waves.iter().flat_map(|wave| &wave.hosts) {
        let begun = input.begun.as_ref().is_some_and(|begun| begun.hosts.contains(&host.host));
        if let (Some(slot), false) = (&host.slot, begun) {
            let bytes = host.legs.iter().map(|leg| leg.pack.size.0).sum();
            starts.entry(&host.site).or_default().push((slot.starts_at.as_millisecond(), bytes));
        }
    }
    let sites = input.surroundings.sites.iter();
    let limited = sites.filter_map(|site| Some((site, site.bandwidth?)));
    let each = limited.filter_map(|(site, bandwidth)| {
        let mut hosts = starts.remove(&site.name)?;
        hosts.sort_unstable();
        let (mut sum, mut start_by) = (0_u64, i64::MAX);
        for (start, bytes) in hosts {
            sum = sum.saturating_add(bytes);
            start_by = start_by.min(start - crate::board::transfer_ms(sum, bandwidth.0));
        }
        let (site, start_by) = (site.name.clone(), moment(start_by));
        Some(Staging { site, bytes: ByteSize(sum), bandwidth, start_by })
    });
    each.collect()
}

/// Work outside of working hours by class, for the report.
pub(crate) fn outside(plan: &Plan) -> Option<String> {
    let mut by_class: BTreeMap<TimeClass, (usize, u64)> = BTreeMap::new();
    for (_, host) in plan.hosts() {
        if let Some(slot) = &host.slot {
            let sum = by_class.entry(slot.class).or_default();
            *sum = (sum.0 + 1, sum.1 + refit_plan::busy_ms(host));
        }
    }
    let each = by_class.into_iter().map(|(class, (hosts, ms))| {
        // Work is counted in hours, however many days of it there are.
        let work = match (ms / 3_600_000, ms / 60_000 % 60) {
            (0, _) => refit_names::span(ms),
            (hours, minutes) => format!("{hours} h {minutes} min"),
        };
        format!("{class} {}, {work}", counted(hosts, "host"))
    });
    let lines: Vec<_> = each.collect();
    (!lines.is_empty()).then(|| format!("work: {}", lines.join("; ")))
}
