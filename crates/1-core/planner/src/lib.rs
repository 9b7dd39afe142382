//! From what is known of a fleet to a plan, with a reason for every placement.
//!
//! Here: who is in, in which order, in which wave. Deliberately not here: whether the plan is right (`plan-check` judges it with
//! code of its own), when it runs (`rollout`).
//! Called by: server, simulator.
//!
//! Invariants:
//! 1. The same input gives the same plan, to the byte.
//! 2. Every host that was asked for is placed with a reason or left out with a reason.
//! 3. Lowest risk first; a host moves back only behind what it depends on or away from its cluster's other members.

mod candidates;
mod error;
mod waves;

pub use error::PlanError;

use candidates::Sorted;
use jiff::Timestamp;
use refit_inventory::HostRecord;
use refit_names::{
    BuildId, Digest, Generation, HostName, Percent, PersonName, ProductName, RolloutName,
};
use refit_packs::catalog::Catalog;
use refit_packs::manifest::Estimate;
use refit_plan::{Advance, PLAN_FORMAT, Plan};
use refit_risk::RiskScore;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a plan is made of.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The campaign.
    pub rollout: RolloutName,
    /// Of the plan that is made.
    pub generation: Generation,
    /// The plan that it replaces.
    pub parent: Option<Digest>,
    /// Who asked for it.
    pub author: PersonName,
    /// The moment that goes into the plan.
    pub now: Timestamp,
    /// What is upgraded.
    pub product: ProductName,
    /// Where to.
    pub target: BuildId,
    /// Hosts that were asked for by name; empty means all that have the product.
    pub wanted: BTreeSet<HostName>,
    /// The whole fleet.
    pub hosts: Vec<Candidate>,
    /// Published packs.
    pub catalog: Catalog,
    /// How long each pack takes, by the digest of its record; a missing one takes the default.
    pub estimates: BTreeMap<Digest, Estimate>,
    /// Shape of the waves.
    pub shape: Shape,
    /// Failures, over all waves, that halt the rollout when exceeded.
    pub failure_budget: u32,
    /// How many people other than the author must agree.
    pub approvals_needed: u32,
}

/// A host as the planner sees it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What is known of it.
    pub record: HostRecord,
    /// Its score.
    pub risk: RiskScore,
    /// Whether its agent was heard of lately.
    pub reachable: bool,
}

/// Shape of waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Share of the hosts in each wave; the last one takes the rest.
    pub shares: Vec<Percent>,
    /// Share of a wave that must succeed before the next starts.
    pub goal: Percent,
    /// How long a wave is watched after its last host, in milliseconds.
    pub soak_ms: u64,
    /// When a wave stops waiting, in milliseconds.
    pub timeout_ms: u64,
    /// Hosts that may be down at the same time.
    pub parallel: u32,
    /// How the next wave starts.
    pub advance: Advance,
}

/// Why the plan is as it is.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanReport {
    /// A line each, for people.
    pub remarks: Vec<String>,
}

/// Makes a plan.
///
/// Shape: waves are never empty; each host stands in exactly one wave or in `excluded`.
/// Units: all times in milliseconds; shares in per cent of the hosts that are placed.
///
/// # Errors
/// [`PlanError`] when a name is unknown, dependencies go round in a circle, the shape makes no sense, or nobody is left to be upgraded.
pub fn plan(input: &PlanInput) -> Result<(Plan, PlanReport), PlanError> {
    candidates::check_input(input)?;
    let Sorted { placed, excluded, packs, warnings } = candidates::sort(input);
    if placed.is_empty() {
        return Err(PlanError::Nobody {
            product: input.product.clone(),
            target: input.target.clone(),
            excluded,
        });
    }
    let ordered = candidates::order(placed)?;
    let waves = waves::fill(input, &ordered);
    let mut report = PlanReport::default();
    report.remarks.push(format!(
        "{} hosts in {} waves to build {}, {} left out",
        ordered.len(),
        waves.len(),
        input.target,
        excluded.len()
    ));
    report.remarks.extend(warnings);
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
        waves,
        // More failures than hosts cannot happen: the plan says what it means.
        failure_budget: input.failure_budget.min(u32::try_from(ordered.len()).unwrap_or(u32::MAX)),
        excluded,
        approvals_needed: input.approvals_needed,
        parts: BTreeSet::new(),
        deadline: None,
        emergency: None,
        staging: Vec::new(),
        begun: BTreeSet::new(),
    };
    Ok((plan, report))
}
