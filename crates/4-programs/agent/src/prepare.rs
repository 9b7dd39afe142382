//! Prepare: five sub-stages in order, each recorded when it is done, each retried by itself.
//!
//! Nobody notices any of them: the running release, its data and its services are not touched.

mod finalise;
mod pages;
mod persist;
mod removal;
mod replicate;
mod updater;

use crate::{
    admission::Refusal,
    orders::{OrderStoreError, StageBook},
    run::Agent,
    worker::Orders,
};
use refit_client::Backoff;
use refit_content::ContentError;
use refit_host::engine::EngineError;
use refit_journal::Cause;
use refit_names::ByteSize;
use refit_plan::Order;
use refit_protocol::agent::{PrepareEvidence, StageNote, Standing};
use refit_repository::RepositoryError;
use refit_rollout::PrepareStage;
use std::{path::PathBuf, sync::Arc, time::Duration};

pub(crate) use updater::UpdaterError;

/// First and longest delay before a failed sub-stage is tried again: a broken line is back in seconds, a full disk in minutes.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Why a sub-stage did not end.
#[derive(Debug)]
pub(crate) enum StageError {
    /// It is tried again.
    Again(Cause),
    /// Content that an earlier sub-stage fetched is not there any more: fetch again, then go on.
    ContentGone(Cause),
    /// The order can never be carried out here.
    Refused(Cause),
}

impl From<RepositoryError> for StageError {
    fn from(error: RepositoryError) -> Self {
        Self::Again(Cause::of(&error))
    }
}
impl From<EngineError> for StageError {
    fn from(error: EngineError) -> Self {
        match error {
            // The step's own cause, not the wrapper's.
            EngineError::Step { cause, .. } if cause.code.starts_with("content.") => {
                Self::ContentGone(cause)
            }
            EngineError::Step { cause, .. } => Self::Again(cause),
            other => Self::Again(Cause::of(&other)),
        }
    }
}
impl From<ContentError> for StageError {
    fn from(error: ContentError) -> Self {
        Self::Again(Cause::of(&error))
    }
}
impl From<OrderStoreError> for StageError {
    fn from(error: OrderStoreError) -> Self {
        let cause = Cause::of(&error);
        match error {
            OrderStoreError::Io { .. } => Self::Again(cause),
            OrderStoreError::RecordDigest { .. } | OrderStoreError::Record { .. } => {
                Self::Refused(cause)
            }
        }
    }
}
impl From<Refusal> for StageError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Cause::of(&refusal))
    }
}
impl From<UpdaterError> for StageError {
    fn from(error: UpdaterError) -> Self {
        Self::Again(Cause::of(&error))
    }
}

/// How prepare ended.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The host holds everything.
    Ready,
    /// The order is refused.
    Refused(Cause),
    /// The server changed its mind, or the agent stops.
    Interrupted,
}

/// One order while it is prepared.
pub(crate) struct Preparation<'a> {
    pub(crate) agent: &'a Arc<Agent>,
    pub(crate) order: &'a Order,
    pub(crate) book: StageBook,
    /// Files that deltas made in this attempt, and why some were not used.
    pub(crate) made: u64,
    pub(crate) fell_back: Vec<String>,
}

/// Runs the sub-stages that are not done. `orders` is told when it may go on.
pub(crate) async fn prepare(agent: &Arc<Agent>, order: &Order, orders: &mut Orders) -> Prepared {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        if !orders.still_wants(order) {
            return Prepared::Interrupted;
        }
        let (stage, error) = match attempt(agent, order, orders).await {
            Ok(true) => return Prepared::Ready,
            Ok(false) => return Prepared::Interrupted,
            Err(failed) => failed,
        };
        let cause = match error {
            StageError::Refused(cause) => return Prepared::Refused(cause),
            StageError::Again(cause) => cause,
            StageError::ContentGone(cause) => {
                forget(agent, order, PrepareStage::ReplicateContent);
                cause
            }
        };
        let delay = backoff.delay(agent.ambient.entropy.as_ref());
        tracing::warn!(
            ?stage,
            code = cause.code,
            retry_s = delay.as_secs(),
            "prepare: {}",
            cause.text
        );
        let retry_at =
            agent.ambient.clock.now().saturating_add(delay).unwrap_or(jiff::Timestamp::MAX);
        agent.board.say(order, Standing::PrepareFailed { stage, cause, retry_at });
        tokio::select! {
            () = agent.ambient.clock.sleep(delay) => {}
            () = orders.no_longer_wants(order) => return Prepared::Interrupted,
        }
    }
}

/// One pass over all sub-stages; says whether it came to the end.
async fn attempt(
    agent: &Arc<Agent>,
    order: &Order,
    orders: &mut Orders,
) -> Result<bool, (PrepareStage, StageError)> {
    let first = PrepareStage::ReplicateContent;
    let book = agent.orders.stages(&order.key).map_err(|error| (first, error.into()))?;
    let mut this = Preparation { agent, order, book, made: 0, fell_back: Vec::new() };
    for stage in PrepareStage::ALL {
        if this.book.done.iter().any(|note| note.stage == stage) {
            continue;
        }
        let clock = &agent.ambient.clock;
        let started = clock.now();
        this.tell(stage, ByteSize(0), ByteSize(0));
        let note = match stage {
            // These two may be left at any moment: what arrived is kept.
            PrepareStage::ReplicateContent | PrepareStage::UpgradeUpdater => tokio::select! {
                note = this.stage(stage) => note,
                () = orders.no_longer_wants(order) => return Ok(false),
            },
            _ => this.stage(stage).await,
        };
        let note = note.map_err(|error| (stage, error))?;
        let took_ms = u64::try_from(clock.now().duration_since(started).as_millis()).unwrap_or(0);
        tracing::info!(?stage, took_ms, "prepare: {note}");
        this.book.done.push(StageNote { stage, note, took_ms });
        this.save().map_err(|error| (stage, error))?;
    }
    let last = PrepareStage::Finalise;
    this.close().await.map_err(|error| (last, error))?;
    Ok(true)
}

/// Has a sub-stage run again, with all that was found since.
fn forget(agent: &Agent, order: &Order, stage: PrepareStage) {
    let forgotten = agent.orders.stages(&order.key).and_then(|mut book| {
        book.done.retain(|note| note.stage != stage);
        agent.orders.save_stages(&order.key, &book)
    });
    if let Err(error) = forgotten {
        tracing::error!("prepare: {}", refit_names::chain(&error));
    }
}

impl Preparation<'_> {
    async fn stage(&mut self, stage: PrepareStage) -> Result<String, StageError> {
        match stage {
            PrepareStage::ReplicateContent if self.order.removal().is_some() => {
                self.replicate_nothing().await
            }
            PrepareStage::ReplicateContent => self.replicate_content().await,
            PrepareStage::DeployPages => self.deploy_pages().await,
            PrepareStage::UpgradeUpdater => self.upgrade_updater().await,
            PrepareStage::PersistCommands => self.persist_commands().await,
            PrepareStage::Finalise => self.finalise().await,
        }
    }

    /// Writes into the journal that prepare is done, and gives back the room that only prepare needed.
    async fn close(&self) -> Result<(), StageError> {
        let evidence: PrepareEvidence = self.book.evidence();
        let engine = self.agent.engine(self.order, self.agent.orders.records(self.order)?)?;
        blocking(move || engine.record_prepared(&evidence)).await??;
        if let Err(error) = std::fs::remove_dir_all(self.agent.content())
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "failed to remove fetched content that is no longer needed");
        }
        Ok(())
    }

    fn save(&self) -> Result<(), StageError> {
        Ok(self.agent.orders.save_stages(&self.order.key, &self.book)?)
    }

    fn tell(&self, stage: PrepareStage, done: ByteSize, total: ByteSize) {
        self.agent.board.say(self.order, Standing::Preparing { stage, done, total, pace: None });
    }

    /// Where leg trees lie that only serve as seeds for the next leg.
    fn seed_tree(&self, leg: usize) -> PathBuf {
        self.agent.seed_trees().join(leg.to_string())
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StageError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        StageError::Again(Cause { code: "agent.thread-ended".to_owned(), text: error.to_string() })
    })
}
