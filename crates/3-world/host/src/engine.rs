//! Carries out one order on this host: asks the fold what is next, does it, writes it down.

use crate::{journal::StepLog, machine::Machine, product::ProductConfig};
use refit_ambient::Clock;
use refit_journal::{Cause, OrderOutcome};
use refit_names::Digest;
use refit_packs::record::PackRecord;
use refit_plan::Order;
use refit_protocol::agent::{Measured, PrepareEvidence, Progress, RunEvidence};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use crate::error::EngineError;

/// All that an order needs to be carried out.
pub struct EngineInput {
    /// The verified order.
    pub order: Order,
    /// The verified record of each leg's pack, in the order of the legs.
    pub records: Vec<PackRecord>,
    /// The product as the host's configuration has it.
    pub product: ProductConfig,
    /// The agent's state folder.
    pub state: PathBuf,
    /// The journal; one per host.
    pub log: Arc<dyn StepLog>,
    /// Makes release trees.
    pub releases: Arc<dyn StageRelease>,
    /// The machine that can restart.
    pub machine: Arc<dyn Machine>,
    /// Time.
    pub clock: Arc<dyn Clock>,
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

/// Carries out one order. Every method blocks: call it on a thread that may.
pub struct Engine {
    input: EngineInput,
}

impl Engine {
    /// Checks that order, records and product belong together; touches nothing.
    ///
    /// # Errors
    /// [`EngineError`] when they do not.
    pub fn open(input: EngineInput) -> Result<Self, EngineError> {
        Ok(Self { input })
    }

    /// How far the journal says that the order came.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be read or contradicts the order.
    pub fn reached(&self) -> Result<Reached, EngineError> {
        todo!()
    }

    /// Writes that the order was verified and stored; once.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be written.
    pub fn record_stored(&self) -> Result<Digest, EngineError> {
        todo!()
    }

    /// Writes that prepare is done, with what it found; once.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be written.
    pub fn record_prepared(&self, evidence: &PrepareEvidence) -> Result<(), EngineError> {
        let _ = (evidence, &self.input);
        todo!()
    }

    /// Runs the stage steps of every leg that are not done; answers with a line per step.
    ///
    /// # Errors
    /// [`EngineError::Step`] with the root cause; calling again goes on where it stopped.
    pub fn stage(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Vec<String>, EngineError> {
        let _ = progress;
        todo!()
    }

    /// Measures what the order needs while the product still runs; nothing is changed.
    ///
    /// # Errors
    /// [`EngineError`] when something could not be measured. A bad value is no error: look at [`Measured::ok`].
    pub fn preflight(&self) -> Result<Vec<Measured>, EngineError> {
        todo!()
    }

    /// Carries the order out, or goes on with it after a crash. `progress` is called at every change and at least every two seconds.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be read or written: call again. A failed step is no error but an outcome.
    pub fn run(&self, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<RunEnd, EngineError> {
        let _ = progress;
        todo!()
    }
}
