//! From what is known of a fleet to a plan, with a reason for every placement.
//!
//! Here: who is in, in which order, in which wave, when, and by whom; which rules are in each other's way.
//! Deliberately not here: whether the plan is right (`plan-check` judges it with code of its own), when it runs (`rollout`),
//! when windows are open (`calendar`).
//! Called by: server, planbook, bench, simulator.
//!
//! Invariants:
//! 1. The same input gives the same plan, to the byte.
//! 2. Every host that was asked for is placed with a reason or left out with a reason.
//! 3. Lowest risk first; a host moves back only behind what it waits for or away from its cluster's other members.
//! 4. A time is given only where openings, freezes, people, sites and limits allow it; what nothing limits has no time.
//! 5. What has begun stays where the plan before had it.

mod attempt;
mod board;
mod bound;
mod candidates;
mod coexistence;
mod conflict;
mod error;
mod estimate;
mod faults;
mod input;
mod make;
mod ordering;
mod parts;
mod people;
mod profile;
mod repair;
mod rollback;
mod rows;
mod rules;
mod schedule;
mod search;
mod steps;
mod sweep;
mod terms;
mod text;
mod times;
mod waves;

pub use error::{Fault, PlanError};
pub use faults::{unknown_hosts, unknown_target};
pub use input::{
    Begun, Candidate, Demands, HORIZON_DAYS, Measured, PlanInput, SAMPLES_MIN, Shape, Surroundings,
};
pub use rollback::{RollbackInput, rollback};
pub use terms::seen;
pub use times::ANY_TIME;

use attempt::{Attempt, attempt};
use candidates::{Placed, Sorted};
use jiff::Timestamp;
use refit_names::{HostName, counted};
use refit_plan::{Excluded, PLAN_FORMAT, Plan};
use rules::Relaxed;
use std::collections::BTreeSet;

/// Why the plan is as it is.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanReport {
    /// A line each, for people.
    pub remarks: Vec<String>,
    /// When the last host is expected to end; none when nothing has a time.
    pub finish: Option<Timestamp>,
    /// No plan of these waves ends earlier.
    pub bound: Option<Timestamp>,
}

/// Makes a plan.
///
/// Shape: waves are never empty; each host stands in exactly one wave or in `excluded`.
/// Units: all times in milliseconds; shares in per cent of the hosts that are placed, of each tier by itself.
/// Source: decision 0015 (algorithm and bound).
///
/// # Errors
/// [`PlanError::Faults`] with everything that is wrong with the input; [`PlanError::Nobody`] when nobody is left to be
/// upgraded; [`PlanError::DoesNotFit`] when a deadline or a pin cannot be kept.
pub fn plan(input: &PlanInput) -> Result<(Plan, PlanReport), PlanError> {
    let mut faults = faults::of_input(input);
    let Sorted { mut placed, mut excluded, mut packs, warnings } = candidates::sort(input);
    faults.extend(faults::of_placed(input, &placed));
    if !faults.is_empty() {
        return Err(all_faults(input, placed, faults));
    }
    let relaxed = Relaxed::default();
    let mut tried = loop {
        if placed.is_empty() && input.begun.is_none() {
            return Err(nobody(input, excluded));
        }
        let mut tried =
            attempt(input, &relaxed, placed).map_err(|fault| PlanError::Faults(vec![fault]))?;
        if conflict::fits(input, &tried) {
            match coexistence::without_long_mixes(input, &tried, &mut excluded) {
                Some(left) => placed = left,
                None => break tried,
            }
            continue;
        }
        if input.demands.deadline.is_some() || pin_missed(input, &tried) {
            return Err(does_not_fit(input, &mut tried));
        }
        placed = without_time(input, &mut tried, &mut excluded);
    };
    excluded.sort_by(|a, b| a.host.cmp(&b.host));
    let waves = make::waves(input, &mut tried);
    let count = waves.iter().map(|wave| wave.hosts.len()).sum::<usize>();
    if input.begun.is_some() {
        make::add_packs(&waves, &mut packs);
    }
    let plan = Plan {
        format: PLAN_FORMAT.to_owned(),
        rollout: input.rollout.clone(),
        generation: input.generation,
        parent: input.parent,
        made_at: input.now,
        author: input.author.clone(),
        product: input.product.clone(),
        target: input.target.clone(),
        packs,
        staging: make::staging(input, &waves),
        waves,
        // More failures than hosts cannot happen: the plan says what it means.
        failure_budget: input.failure_budget.min(u32::try_from(count).unwrap_or(u32::MAX)),
        excluded,
        // An emergency has an approval of its own.
        approvals_needed: input.approvals_needed + u32::from(input.demands.emergency.is_some()),
        parts: input.parts.clone(),
        deadline: input.demands.deadline,
        emergency: input.demands.emergency.clone(),
        begun: input.begun.as_ref().map_or_else(BTreeSet::new, |begun| begun.hosts.clone()),
        stated: stated(input, &tried),
    };
    let report = report(&plan, &tried, warnings.lines());
    Ok((plan, report))
}

/// Who is in it without having been seen.
fn stated(input: &PlanInput, tried: &Attempt<'_>) -> BTreeSet<HostName> {
    let hosts = tried.ordered.iter().map(|host| host.record);
    let unseen = hosts.filter(|record| record.product(&input.product).is_none());
    unseen.map(|record| record.name.clone()).collect()
}

fn report(plan: &Plan, tried: &Attempt<'_>, warnings: Vec<String>) -> PlanReport {
    let mut remarks = vec![format!(
        "{} in {} {} build {}, {} left out",
        counted(plan.hosts().count(), "host"),
        counted(plan.waves.len(), "wave"),
        if plan.way().is_forward() { "to" } else { "back to" },
        plan.target,
        plan.excluded.len()
    )];
    remarks.extend(text::remarks(tried));
    remarks.extend(make::outside(plan));
    let origins: BTreeSet<&str> =
        plan.hosts().map(|(_, host)| host.estimated_from.as_str()).collect();
    let origins = origins.into_iter().filter(|origin| !origin.is_empty());
    remarks.extend(origins.map(|origin| format!("times from history: {origin}")));
    remarks.extend(text::stated(plan));
    remarks.extend(warnings);
    let timed = tried.board.is_some();
    PlanReport {
        remarks,
        finish: tried.finish.filter(|_| timed).map(times::moment),
        bound: tried.bound.filter(|_| timed).map(times::moment),
    }
}

/// Everything that is wrong: circles are only looked for here, because they are found on the way otherwise.
fn all_faults(input: &PlanInput, placed: Vec<Placed<'_>>, mut faults: Vec<Fault>) -> PlanError {
    let relaxed = Relaxed::default();
    let firsts = ordering::firsts(input, &placed, &relaxed);
    faults.extend(ordering::order(placed, &firsts, &relaxed).err());
    faults.sort();
    faults.dedup();
    PlanError::Faults(faults)
}

fn nobody(input: &PlanInput, mut excluded: Vec<Excluded>) -> PlanError {
    excluded.sort_by(|a, b| a.host.cmp(&b.host));
    let (product, target) = (input.product.clone(), input.target.clone());
    PlanError::Nobody { way: input.demands.way, product, target, excluded }
}

fn pin_missed(input: &PlanInput, tried: &Attempt<'_>) -> bool {
    let missed = tried.ordered.iter().zip(&tried.places).filter(|(_, place)| place.is_none());
    let mut names = missed.map(|(host, _)| &host.record.name);
    names.any(|name| input.demands.pins.iter().any(|pin| pin.host == *name))
}

/// Leaves out who has no time, with the reason, and who waits for them.
fn without_time<'a>(
    input: &'a PlanInput,
    tried: &mut Attempt<'a>,
    excluded: &mut Vec<Excluded>,
) -> Vec<Placed<'a>> {
    let mut left = Vec::with_capacity(tried.ordered.len());
    for (number, host) in tried.ordered.iter().enumerate() {
        match (&mut tried.board, tried.places[number]) {
            (Some(board), None) => {
                let because = text::no_time(input, board, number, host);
                excluded.push(Excluded { host: host.record.name.clone(), because });
            }
            _ => left.push(host.clone()),
        }
    }
    candidates::exclude_orphans(input, &mut left, excluded);
    left
}

fn does_not_fit<'a>(input: &'a PlanInput, tried: &mut Attempt<'a>) -> PlanError {
    let conflict = conflict::smallest(input, &tried.ordered);
    let mut remarks = Vec::new();
    let mut demand = Vec::new();
    if let (Some(deadline), Some(finish)) = (input.demands.deadline, tried.finish) {
        let late = finish.saturating_sub(deadline.as_millisecond());
        let finish = times::moment(finish);
        demand.push(format!(
            "not finished by {deadline}: the plan ends at {finish}, {} later",
            text::span(late)
        ));
        if let Some(bound) = tried.bound {
            remarks.push(format!(
                "no plan of these waves ends before {} (proven)",
                times::moment(bound)
            ));
        }
    }
    let missing: Vec<usize> =
        (0..tried.ordered.len()).filter(|number| tried.places[*number].is_none()).collect();
    if !missing.is_empty() {
        let deadline =
            input.demands.deadline.map_or_else(String::new, |at| format!(" (wanted by {at})"));
        demand.push(format!(
            "{} of {} hosts have no time{deadline}",
            missing.len(),
            tried.ordered.len()
        ));
    }
    for number in missing.iter().take(HOSTS_SHOWN) {
        let host = &tried.ordered[*number];
        if let Some(board) = &mut tried.board {
            let why = text::no_time(input, board, *number, host);
            remarks.push(format!("host `{}`: {why}", host.record.name));
        }
    }
    if conflict.is_empty() {
        let longest = tried.ordered.iter().map(|host| host.p95_ms).max().unwrap_or(0);
        let longest = board::ms(longest.saturating_add(input.demands.validation_ms));
        remarks.push(format!("the longest host alone needs {}", text::span(longest)));
    }
    PlanError::DoesNotFit {
        demand: demand.join("; "),
        conflict: conflict.iter().map(ToString::to_string).collect(),
        remarks,
        earliest: tried.finish.map(times::moment),
    }
}

/// Hosts whose arithmetic is shown: enough to see the pattern.
const HOSTS_SHOWN: usize = 5;
