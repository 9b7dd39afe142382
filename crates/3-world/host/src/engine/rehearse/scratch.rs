//! A journal of memory: what a dry run would write is forgotten with it.

use crate::journal::{JournalError, StepLog};
use refit_journal::{Entry, EntryBody};
use refit_names::{BuildId, ProductName};
use refit_plan::OrderKey;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

#[derive(Default)]
pub(in crate::engine) struct Scratch {
    /// What the host's own journal keeps away.
    quarantined: BTreeMap<BuildId, String>,
    kept: Mutex<BTreeMap<String, String>>,
}

impl Scratch {
    /// With what the host's own journal says of builds.
    pub(in crate::engine) fn keeping_away(quarantined: BTreeMap<BuildId, String>) -> Self {
        Self { quarantined, ..Self::default() }
    }
}

impl StepLog for Scratch {
    fn append(
        &self,
        order: &OrderKey,
        body: EntryBody,
        at: jiff::Timestamp,
    ) -> Result<Entry, JournalError> {
        Ok(Entry::new(None, at, order.clone(), body)?)
    }
    fn entries(&self, _: &OrderKey) -> Result<Vec<Entry>, JournalError> {
        Ok(Vec::new())
    }
    fn remember(&self, _: &OrderKey, key: &str, value: &str) -> Result<String, JournalError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.entry(key.to_owned()).or_insert_with(|| value.to_owned()).clone())
    }
    fn recall(&self, _: &OrderKey, key: &str) -> Result<Option<String>, JournalError> {
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }
    fn quarantine(&self, _: &ProductName, _: &BuildId, _: &str) -> Result<(), JournalError> {
        Ok(())
    }
    fn quarantined(&self, _: &ProductName) -> Result<BTreeMap<BuildId, String>, JournalError> {
        Ok(self.quarantined.clone())
    }
}
