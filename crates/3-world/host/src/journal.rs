//! The journal on disk: one per host, appended by one agent.

use refit_journal::{Entry, EntryBody};
use refit_names::{BuildId, ProductName};
use refit_plan::OrderKey;
use std::{collections::BTreeMap, path::Path};

pub use crate::error::JournalError;

/// Where steps are written down before and after they are done.
pub trait StepLog: Send + Sync {
    /// Appends an entry; when it returns, the entry survives a power loss.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    fn append(&self, order: &OrderKey, body: EntryBody, at: jiff::Timestamp) -> Result<Entry, JournalError>;
    /// All entries of an order, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    fn entries(&self, order: &OrderKey) -> Result<Vec<Entry>, JournalError>;
    /// Keeps a former state of the host under `key`, unless one is kept already: what was seen first is what counts.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    fn remember(&self, order: &OrderKey, key: &str, value: &str) -> Result<String, JournalError>;
    /// What is kept under `key`.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    fn recall(&self, order: &OrderKey, key: &str) -> Result<Option<String>, JournalError>;
    /// Keeps a build away from this host until a person clears it.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    fn quarantine(&self, product: &ProductName, build: &BuildId, because: &str) -> Result<(), JournalError>;
    /// Builds of `product` that are kept away, with the cause.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    fn quarantined(&self, product: &ProductName) -> Result<BTreeMap<BuildId, String>, JournalError>;
}

/// The journal in `STATE/journal.db`. Holds the lock of the state folder: there is one agent per host.
pub struct Journal {}

impl Journal {
    /// Opens or makes it, takes the lock, and checks the chain.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another agent runs; [`JournalError::Broken`] when an entry was altered.
    pub fn open(state: &Path) -> Result<Self, JournalError> {
        let _ = state;
        todo!()
    }

    /// Entries after `seq`, oldest first, at most `limit`: what the server has not acknowledged.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let _ = (seq, limit);
        todo!()
    }

    /// Lets a build come again.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    pub fn clear_quarantine(&self, product: &ProductName, build: &BuildId) -> Result<(), JournalError> {
        let _ = (product, build);
        todo!()
    }
}
