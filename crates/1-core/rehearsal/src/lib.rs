//! A plan run many times before anybody runs it: the real state machines under a virtual clock, with hosts and people drawn by chance.
//!
//! Here: how long and how well things go by chance, one run, the summary of many.
//! Deliberately not here: any rule about rollouts (`rollout` decides as it does live), threads (the caller runs [`Rehearsal::run`]
//! on as many cores as it has), where history comes from (`server`).
//! Called by: server, command line, benchmarks.
//!
//! Invariants:
//! 1. A run is a function of plan, assumptions, seed and its own number: any order of runs on any number of cores gives the same summary.
//! 2. Nothing but events goes into the state machine, and nothing but its effects moves hosts.
//! 3. A host meets the same fate in run n whatever the plan around it: two plans are compared on the same luck.

mod assumptions;
mod draw;
mod error;
mod fate;
mod hours;
mod measure;
mod model;
mod outcome;
mod report;
mod summary;
mod tape;
mod world;

pub use assumptions::{Assumptions, Chance, Duration95, Experience, WorkingHours};
pub use error::RehearsalError;
pub use outcome::{HaltCause, RunOutcome};
pub use report::{
    Bin, HaltLine, Likelihood, Moments, PersonLine, RehearsalReport, Spans, WaveLine,
};

use model::Model;
use refit_names::RoleName;
use refit_plan::Plan;
use std::collections::BTreeMap;

/// The most runs that are asked for at once: the chance of one in a thousand is then known to a tenth of itself.
pub const RUNS_MAX: u32 = 100_000;

/// Everything that a rehearsal is made of.
#[derive(Debug, Clone)]
pub struct RehearsalInput<'a> {
    /// What is rehearsed.
    pub plan: &'a Plan,
    /// How many times, 1 to [`RUNS_MAX`].
    pub runs: u32,
    /// The same seed gives the same report.
    pub seed: u64,
    /// How hosts and people behave.
    pub assumptions: Assumptions,
    /// How hosts of each role did in earlier rollouts.
    pub experience: BTreeMap<RoleName, Experience>,
}

/// A plan that is ready to be run.
pub struct Rehearsal {
    model: Model,
}

impl Rehearsal {
    /// Reads the plan once for all runs.
    ///
    /// # Errors
    /// [`RehearsalError`] when the plan has no hosts, the number of runs is out of range, an assumption makes no sense, or the
    /// state machine refuses the plan.
    pub fn new(input: &RehearsalInput<'_>) -> Result<Self, RehearsalError> {
        Ok(Self { model: Model::of(input)? })
    }

    /// How many runs were asked for: numbers below it are what [`Rehearsal::run`] is called with.
    #[must_use]
    pub const fn runs(&self) -> u32 {
        self.model.runs
    }

    /// One run from agreement to the last wave, or to what stopped it.
    ///
    /// # Errors
    /// [`RehearsalError::Refused`] when the state machine refuses what a host or a person does in this world: a defect.
    pub fn run(&self, number: u32) -> Result<RunOutcome, RehearsalError> {
        world::run(&self.model, number)
    }

    /// What all runs together say. `outcomes` in the order of their numbers.
    pub fn summary(&self, outcomes: &[RunOutcome]) -> RehearsalReport {
        summary::of(&self.model, outcomes)
    }
}
