//! How the agent stops between two steps: the journal takes no further intent.

use crate::board::Board;
use refit_host::journal::{Journal, JournalError, StepLog};
use refit_journal::{Entry, EntryBody};
use refit_names::{BuildId, ProductName, StepId};
use refit_plan::OrderKey;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// The journal as the engine sees it. Each entry wakes the sync loop; after [`StopLog::stop`] no step begins any more.
pub(crate) struct StopLog {
    journal: Arc<Journal>,
    board: Arc<Board>,
    stopping: AtomicBool,
    held: watch::Sender<bool>,
}

impl StopLog {
    pub(crate) fn new(journal: Arc<Journal>, board: Arc<Board>) -> Self {
        Self { journal, board, stopping: AtomicBool::new(false), held: watch::Sender::new(false) }
    }

    /// From now on the thread that is about to begin a step is held until the process ends.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Holds the calling thread until the process ends, when the agent stops.
    pub(crate) fn hold_if_stopping(&self) {
        while self.stopping.load(Ordering::SeqCst) {
            self.held.send_replace(true);
            std::thread::park();
        }
    }

    /// Waits until a thread is held: its last step is journaled and the next one was not begun.
    pub(crate) async fn held(&self) {
        // The sender lives as long as `self`.
        let _ = self.held.subscribe().wait_for(|held| *held).await;
    }
}

impl StepLog for StopLog {
    fn append(
        &self,
        order: &OrderKey,
        body: EntryBody,
        at: jiff::Timestamp,
    ) -> Result<Entry, JournalError> {
        let begins = matches!(body, EntryBody::Intent { .. } | EntryBody::DeployStarted {});
        if begins {
            self.hold_if_stopping();
        }
        let entry = self.journal.append(order, body, at)?;
        self.board.news();
        Ok(entry)
    }
    fn entries(&self, order: &OrderKey) -> Result<Vec<Entry>, JournalError> {
        self.journal.entries(order)
    }
    fn remember(&self, order: &OrderKey, key: &str, value: &str) -> Result<String, JournalError> {
        self.journal.remember(order, key, value)
    }
    fn recall(&self, order: &OrderKey, key: &str) -> Result<Option<String>, JournalError> {
        self.journal.recall(order, key)
    }
    fn quarantine(
        &self,
        product: &ProductName,
        build: &BuildId,
        because: &str,
    ) -> Result<(), JournalError> {
        self.journal.quarantine(product, build, because)
    }
    fn quarantined(
        &self,
        product: &ProductName,
    ) -> Result<BTreeMap<BuildId, String>, JournalError> {
        self.journal.quarantined(product)
    }
    fn step_times(&self, product: &str) -> Result<BTreeMap<StepId, Vec<u64>>, JournalError> {
        self.journal.step_times(product)
    }
}
