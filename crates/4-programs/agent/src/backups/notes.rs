//! What is remembered of backups between runs of the agent.

use crate::{backups::BackupsError, files};
use jiff::Timestamp;
use refit_journal::Cause;
use refit_names::ProductName;
use refit_protocol::{
    agent::{RunEvidence, StepRecord},
    backup::{BackupDone, BackupSchedule},
};
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

/// Notes which of an order's backups its runbook read back.
pub(crate) fn remember_verified(
    state: &Path,
    product: &ProductName,
    evidence: &RunEvidence,
) -> Result<(), BackupsError> {
    let read = |step: &StepRecord| step.kind == "backup.verify" && step.result == "done";
    // A leg that was never read back leaves one more backup than looks: then none is said to be.
    if evidence.steps.iter().filter(|step| read(step)).count() < evidence.backups.len() {
        return Ok(());
    }
    let here = refit_backup::list(&state.join("backups"), product).into_iter();
    let ids: Vec<String> = here
        .filter(|sealed| evidence.backups.contains(&sealed.digest))
        .filter_map(|sealed| Some(sealed.folder.file_name()?.to_str()?.to_owned()))
        .collect();
    Notes::change(state, |notes| {
        notes.verified.extend(ids.into_iter().map(|id| (id, evidence.finished_at)));
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use refit_backup::{Quiet, UnitPlace, take};

    fn step(kind: &str, result: &str) -> serde_json::Value {
        serde_json::json!({ "leg": 0, "step": "s", "phase": "protect", "kind": kind, "result": result, "note": "", "took_ms": 1 })
    }

    #[test]
    fn backup_that_a_runbook_read_back_is_known_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let (state, root) = (folder.path().join("state"), folder.path().join("srv"));
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::fs::create_dir(&state).unwrap();
        let product = ProductName::parse("ledger").unwrap();
        let place = UnitPlace {
            product: product.clone(),
            build: "1000".parse().unwrap(),
            release: refit_names::Digest::of(b"release"),
            root,
            data: vec!["data".parse().unwrap()],
            databases: BTreeMap::new(),
            product_is: Quiet::Stopped,
            run_as: None,
            environment: BTreeMap::new(),
            limit: std::time::Duration::from_secs(10),
            meter: refit_backup::Meter::default(),
        };
        let sealed = take(&state.join("backups"), "a.1.leg0.1", &place, Timestamp::UNIX_EPOCH);
        let sealed = sealed.unwrap();
        for (result, known) in [("failed", false), ("done", true)] {
            let evidence = serde_json::json!({
                "build_before": "1000", "build_after": "1100", "started_at": "2026-01-01T00:00:00Z",
                "finished_at": "2026-01-01T00:01:00Z", "downtime_ms": 1, "prepare": { "bytes_fetched": 0, "bytes_full": 0, "stages": [], "preflight": [] }, "tests": [],
                "steps": [step("backup.take", "done"), step("backup.verify", result)],
                "backups": [sealed.digest], "packs": [], "journal_head": sealed.digest,
            });
            let evidence: RunEvidence = serde_json::from_value(evidence).unwrap();
            remember_verified(&state, &product, &evidence).unwrap();
            let verified = Notes::read(&state).unwrap().verified;
            assert_eq!(verified.contains_key("a.1.leg0.1"), known, "{result}");
        }
    }
}
