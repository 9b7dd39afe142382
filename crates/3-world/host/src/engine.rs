//! Carries out one order on this host: asks the fold what is next, does it, writes it down.

mod align;
mod alone;
mod asking;
mod drive;
mod expected;
mod heartbeat;
mod leg;
mod rehearse;
mod restart;
mod window;

use crate::{
    context::release_digest, evidence, journal::StepLog, layout::Layout, machine::Machine,
    preflight, process, product::ProductConfig,
};
pub(crate) use leg::LegInput;
use refit_ambient::Clock;
use refit_journal::{
    Cause, Entry, EntryBody, LegSteps, Move, OrderOutcome, StageMove, fold, next_stage,
};
use refit_names::{Digest, ProductName, StepId};
use refit_packs::record::PackRecord;
use refit_plan::Order;
use refit_protocol::agent::{Measured, PrepareEvidence, Progress, RunEvidence};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

pub use crate::error::EngineError;
pub use alone::{PreflightInput, preflight};
pub use asking::{Nobody, People};
pub use rehearse::{RehearsalInput, rehearse};
pub use window::{NoTimeLeft, Start};

/// All that an order needs to be carried out.
pub struct EngineInput {
    /// The verified order.
    pub order: Order,
    /// The verified record of each leg's pack, in the order of the legs.
    pub records: Vec<PackRecord>,
    /// The product as the host's configuration has it.
    pub product: ProductConfig,
    /// Roots of the other products of this host.
    pub others: BTreeMap<ProductName, PathBuf>,
    /// The agent's state folder.
    pub state: PathBuf,
    /// The journal; one per host.
    pub log: Arc<dyn StepLog>,
    /// Makes release trees.
    pub releases: Arc<dyn StageRelease>,
    /// Asked before each leg but the first begins.
    pub gate: Arc<dyn LegGate>,
    /// The machine that can restart.
    pub machine: Arc<dyn Machine>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Says whether the next leg may begin: between two legs the host stands whole on a build, and may stay there.
pub trait LegGate: Send + Sync {
    /// Asked once a leg is about to begin, and again after a crash; may take a while.
    ///
    /// # Errors
    /// Why not: the order then ends on the build that runs.
    fn may_begin(&self, order: &Order, leg: u32) -> Result<(), Cause>;
}

/// Makes release trees from verified content. The agent provides it over `refit-content`.
pub trait StageRelease: Send + Sync {
    /// Builds the tree of leg `leg` in `into`, which does not exist; when it returns, the tree is complete, verified and durable.
    /// `seeds` are the folders of releases that may hold the same content. The answer is a line for people.
    ///
    /// # Errors
    /// The root cause; `into` must then not exist.
    fn stage(
        &self,
        leg: u32,
        record: &PackRecord,
        seeds: &[PathBuf],
        into: &Path,
    ) -> Result<String, Cause>;
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// The order is finished.
    Finished {
        /// How.
        outcome: OrderOutcome,
        /// What was proven.
        evidence: Box<RunEvidence>,
    },
    /// The machine was asked to restart; call [`Engine::run`] again after the boot (or after a while, if it does not come).
    Rebooting,
}

/// How far the journal says that an order came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// Nothing but maybe stored.
    Nothing,
    /// Prepared, and not begun.
    Prepared,
    /// Begun and not finished: [`Engine::run`] must be called, whatever the server says.
    Begun,
    /// Finished.
    Finished {
        /// How.
        outcome: OrderOutcome,
        /// What was proven.
        evidence: Box<RunEvidence>,
    },
}

/// Where the evidence of prepare is kept.
const PREPARE_EVIDENCE: &str = "prepare-evidence";

/// Carries out one order. Every method blocks: call it on a thread that may.
pub struct Engine {
    input: EngineInput,
    layout: Layout,
    legs: Vec<LegInput>,
    steps: Vec<LegSteps>,
    people: Arc<dyn People>,
    /// Milliseconds that steps took on this host before; read once.
    took_before: OnceLock<BTreeMap<StepId, u64>>,
    /// How far the step is that runs.
    meter: refit_backup::Meter,
}

fn same(what: &'static str, expected: &str, found: &str) -> Result<(), EngineError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Err(EngineError::Mismatch { what, expected, found })
}

impl Engine {
    /// Checks that order, records and product belong together; touches nothing.
    ///
    /// # Errors
    /// [`EngineError::Mismatch`] when they do not.
    pub fn open(input: EngineInput) -> Result<Self, EngineError> {
        let (order, product) = (&input.order, &input.product);
        same("product of the order", product.name.as_str(), order.product.as_str())?;
        let count = |n: usize| n.to_string();
        same("number of pack records", &count(order.legs.len()), &count(input.records.len()))?;
        if order.legs.is_empty() {
            same("number of legs", "at least 1", "0")?;
        }
        let mut build = order.legs[0].from.clone();
        for (leg, record) in order.legs.iter().zip(&input.records) {
            let manifest = &record.manifest;
            same("product of a pack", product.name.as_str(), manifest.product.as_str())?;
            same("build that a leg starts from", build.as_str(), leg.from.as_str())?;
            same("build that a pack leads to", leg.pack.to.as_str(), manifest.to.as_str())?;
            if !manifest.from.contains(&leg.from) {
                let known = manifest.from.iter().map(|build| build.as_str()).collect::<Vec<_>>();
                same("build that a pack starts from", &known.join(" or "), leg.from.as_str())?;
            }
            build = leg.pack.to.clone();
        }
        let legs = (order.legs.iter().zip(&input.records))
            .map(|(leg, record)| LegInput::new(leg, record, &input))
            .collect::<Vec<_>>();
        let steps = legs.iter().map(LegInput::steps).collect();
        let layout = Layout::of(product);
        Ok(Self {
            input,
            layout,
            legs,
            steps,
            people: Arc::new(Nobody),
            took_before: OnceLock::new(),
            meter: refit_backup::Meter::default(),
        })
    }

    /// Lets people answer what the runbook asks; without them each question ends with its deadline.
    #[must_use]
    pub fn with_people(mut self, people: Arc<dyn People>) -> Self {
        self.people = people;
        self
    }

    fn entries(&self) -> Result<Vec<Entry>, EngineError> {
        Ok(self.input.log.entries(&self.input.order.key)?)
    }

    fn write(&self, body: EntryBody) -> Result<Entry, EngineError> {
        let now = self.input.clock.now();
        Ok(self.input.log.append(&self.input.order.key, body, now)?)
    }

    /// How far the journal says that the order came.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be read or contradicts the order.
    pub fn reached(&self) -> Result<Reached, EngineError> {
        let entries = self.entries()?;
        let position = fold(&self.steps, &entries)?;
        if let Some(outcome) = position.finished() {
            let evidence = Box::new(self.evidence(&entries)?);
            return Ok(Reached::Finished { outcome: outcome.clone(), evidence });
        }
        let prepared = entries.iter().any(|entry| entry.body == EntryBody::Prepared {});
        Ok(match (position.begun(), prepared) {
            (true, _) => Reached::Begun,
            (false, true) => Reached::Prepared,
            (false, false) => Reached::Nothing,
        })
    }

    /// Writes that the order was verified and stored; once. The answer is the order's digest.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be written.
    pub fn record_stored(&self) -> Result<Digest, EngineError> {
        let kept = |source| EngineError::Kept { what: "the order", source };
        let order = Digest::of(&serde_json::to_vec(&self.input.order).map_err(kept)?);
        let body = EntryBody::OrderStored { order };
        if !self.entries()?.iter().any(|entry| entry.body == body) {
            self.write(body)?;
        }
        Ok(order)
    }

    /// Writes that prepare is done, with what it found; once.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be written.
    pub fn record_prepared(&self, evidence: &PrepareEvidence) -> Result<(), EngineError> {
        let kept = |source| EngineError::Kept { what: "the evidence of prepare", source };
        let text = serde_json::to_string(evidence).map_err(kept)?;
        self.input.log.remember(&self.input.order.key, PREPARE_EVIDENCE, &text)?;
        if !self.entries()?.iter().any(|entry| entry.body == EntryBody::Prepared {}) {
            self.write(EntryBody::Prepared {})?;
        }
        Ok(())
    }

    /// What prepare found, as it was written down.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be read.
    pub fn prepare_evidence(&self) -> Result<PrepareEvidence, EngineError> {
        let kept = |source| EngineError::Kept { what: "the evidence of prepare", source };
        match self.input.log.recall(&self.input.order.key, PREPARE_EVIDENCE)? {
            Some(text) => serde_json::from_str(&text).map_err(kept),
            None => Ok(PrepareEvidence::default()),
        }
    }

    /// Runs the stage steps of every leg that are not done; answers with a line per step.
    ///
    /// # Errors
    /// [`EngineError::Step`] with the root cause; calling again goes on where it stopped.
    pub fn stage(
        &self,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Vec<String>, EngineError> {
        let key = &self.input.order.key;
        let mut lines = vec![];
        let mut entries = self.entries()?;
        self.end_what_was_left(&entries)?;
        while let StageMove::Run { leg, step, id, attempt } = next_stage(&self.steps, &entries)? {
            progress(&format!("leg {leg}: {id}"));
            let deed = drive::Chosen { leg, step, verb: refit_journal::Verb::Apply, attempt };
            let note = self.carry_out(&mut entries, &deed)?;
            match note {
                Ok(note) => lines.push(format!("leg {leg}: {id}: {note}")),
                Err(cause) => return Err(EngineError::Step { leg, step: id, cause }),
            }
        }
        // Measured here, where it costs no downtime; backups name it.
        for build in self.steps.iter().flat_map(|leg| [&leg.from, &leg.to]) {
            if self.layout.release(build).is_dir() {
                release_digest(&*self.input.log, key, &self.layout, build)?;
            }
        }
        Ok(lines)
    }

    /// Measures what the order needs while the product still runs; nothing is changed.
    ///
    /// # Errors
    /// [`EngineError`] when something could not be measured. A bad value is no error: look at [`Measured::ok`].
    pub fn preflight(&self) -> Result<Vec<Measured>, EngineError> {
        preflight::measure(&self.input, &self.layout, &self.legs)
    }

    /// Carries the order out, or goes on with it after a crash. `progress` is called at every change and every second.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be read or written: call again. A failed step is no error but an outcome.
    pub fn run(&self, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<RunEnd, EngineError> {
        let entries = self.entries()?;
        if let Move::Rest { outcome } = fold(&self.steps, &entries)?.next() {
            let evidence = Box::new(self.evidence(&entries)?);
            return Ok(RunEnd::Finished { outcome, evidence });
        }
        self.drive(entries, progress)
    }

    fn evidence(&self, entries: &[Entry]) -> Result<RunEvidence, EngineError> {
        let prepare = self.prepare_evidence()?;
        Ok(evidence::collect(&self.input, &self.steps, entries, prepare))
    }

    /// Ends commands that an earlier run started and did not see the end of. Only a deed without an outcome can have left any, and to look
    /// for them is to read the environment of every process of the host.
    fn end_what_was_left(&self, entries: &[Entry]) -> Result<(), EngineError> {
        let is_begun = |entry: &Entry| match entry.body {
            EntryBody::Intent { .. } => Some(true),
            EntryBody::Outcome { .. } => Some(false),
            _ => None,
        };
        if entries.iter().rev().find_map(is_begun) == Some(true) {
            let ended = process::end_marked(process::ORDER_MARK, &self.mark())?;
            if ended > 0 {
                tracing::warn!(ended, "ended commands that an earlier run left behind");
            }
        }
        Ok(())
    }

    /// Marks what this order starts, so that it is found after a crash.
    fn mark(&self) -> String {
        let key = &self.input.order.key;
        let state = self.input.state.canonicalize().unwrap_or_else(|_| self.input.state.clone());
        format!("{}#{}.{}", state.display(), key.rollout, key.generation)
    }
}
