//! An agent that dies at one write of its journal.

use refit_host::journal::{Journal, JournalError, StepLog};
use refit_journal::{Entry, EntryBody};
use refit_names::{BuildId, ProductName};
use refit_plan::OrderKey;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

/// A journal whose agent dies at one write; a dead agent writes and reads nothing more.
pub(crate) struct Dying {
    inner: Arc<Journal>,
    before: bool,
    at: u32,
    writes: AtomicU32,
    dead: AtomicBool,
}

impl Dying {
    pub(crate) fn new(inner: Arc<Journal>, before: bool, at: u32) -> Self {
        Self { inner, before, at, writes: AtomicU32::new(0), dead: AtomicBool::new(false) }
    }
    pub(crate) fn died(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
    fn alive(&self) -> Result<(), JournalError> {
        if !self.died() {
            return Ok(());
        }
        let source = std::io::Error::other("the agent died");
        Err(JournalError::Io { what: "go on", path: PathBuf::new(), source })
    }
    fn write<T>(&self, write: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
        self.alive()?;
        if self.writes.fetch_add(1, Ordering::SeqCst) + 1 != self.at {
            return write();
        }
        self.dead.store(true, Ordering::SeqCst);
        if !self.before {
            write()?;
        }
        self.alive()?;
        unreachable!("it died")
    }
}

impl StepLog for Dying {
    fn append(
        &self,
        order: &OrderKey,
        body: EntryBody,
        at: jiff::Timestamp,
    ) -> Result<Entry, JournalError> {
        self.write(|| self.inner.append(order, body, at))
    }
    fn entries(&self, order: &OrderKey) -> Result<Vec<Entry>, JournalError> {
        self.alive()?;
        self.inner.entries(order)
    }
    fn remember(&self, order: &OrderKey, key: &str, value: &str) -> Result<String, JournalError> {
        self.write(|| self.inner.remember(order, key, value))
    }
    fn recall(&self, order: &OrderKey, key: &str) -> Result<Option<String>, JournalError> {
        self.alive()?;
        self.inner.recall(order, key)
    }
    fn quarantine(
        &self,
        product: &ProductName,
        build: &BuildId,
        because: &str,
    ) -> Result<(), JournalError> {
        self.write(|| self.inner.quarantine(product, build, because))
    }
    fn quarantined(
        &self,
        product: &ProductName,
    ) -> Result<BTreeMap<BuildId, String>, JournalError> {
        self.alive()?;
        self.inner.quarantined(product)
    }
}
