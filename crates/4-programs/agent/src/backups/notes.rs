//! What is remembered of backups between runs of the agent.

use crate::{backups::BackupsError, files};
use jiff::Timestamp;
use refit_journal::Cause;
use refit_names::ProductName;
use refit_protocol::backup::{BackupDone, BackupSchedule};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The server forgets a request once it heard of its end; more than these are never open at once.
const DONE_KEPT: usize = 50;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notes {
    /// Snapshots in the repository, by the backup's name on the host.
    pub(crate) kept: BTreeMap<String, String>,
    /// When backups were last read back.
    pub(crate) verified: BTreeMap<String, Timestamp>,
    /// When backups were last restored into scratch space.
    pub(crate) proven: BTreeMap<String, Timestamp>,
    /// How requests ended.
    pub(crate) done: Vec<BackupDone>,
    /// Why the last backup by schedule failed.
    pub(crate) alarms: BTreeMap<ProductName, Cause>,
    /// What the server wished for last: followed also without it.
    pub(crate) schedules: BTreeMap<ProductName, BackupSchedule>,
    /// When each schedule was last followed, whatever came of it.
    pub(crate) followed: BTreeMap<ProductName, Timestamp>,
    /// A restore that was begun: gone on with after a crash.
    pub(crate) restoring: Option<(ProductName, String)>,
    /// Whether it takes the release as it is.
    pub(crate) restoring_as_it_is: bool,
}

impl Notes {
    fn path(state: &Path) -> PathBuf {
        state.join("backups.json")
    }

    pub(crate) fn read(state: &Path) -> Result<Self, BackupsError> {
        let path = Self::path(state);
        Ok(files::read_json(&path).map_err(BackupsError::io("read", &path))?.unwrap_or_default())
    }

    /// Changes the file; durable when this returns.
    pub(crate) fn change(state: &Path, change: impl FnOnce(&mut Self)) -> Result<(), BackupsError> {
        let mut notes = Self::read(state)?;
        let before = notes.clone();
        change(&mut notes);
        let surplus = notes.done.len().saturating_sub(DONE_KEPT);
        notes.done.drain(..surplus);
        if notes == before {
            return Ok(());
        }
        let path = Self::path(state);
        files::write_json(&path, &notes).map_err(BackupsError::io("write", &path))
    }
}
