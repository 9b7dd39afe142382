//! A copy that can be served as is: targets first, then the metadata that names them, the timestamp last.
//!
//! Interrupted anywhere, the copy still offers the state before: files with a version or a digest in their name never change, and
//! `timestamp.json` alone says which of them count.

use crate::{
    Repository, RepositoryError, delegations, download, trust::write_atomically, workflow,
};
use bytes::Bytes;
use refit_names::{ByteSize, TargetName};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tough::schema::Targets;

/// What a mirror run did.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MirrorReport {
    /// Targets that were fetched.
    pub fetched: u64,
    /// Targets that were there.
    pub kept: u64,
    /// Bytes of the fetched ones.
    pub fetched_bytes: ByteSize,
}

impl Repository {
    /// Brings metadata and all targets to `into/metadata` and `into/targets`.
    ///
    /// # Errors
    /// [`RepositoryError::NoConsistentSnapshots`]; else as [`Repository::save`].
    pub async fn mirror(&self, into: &Path) -> Result<MirrorReport, RepositoryError> {
        if !self.trusted.root.signed.consistent_snapshot {
            return Err(RepositoryError::NoConsistentSnapshots);
        }
        let (mut roles, delegated) = delegations::all(&self.workflow, &self.trusted).await?;
        roles.push(self.trusted.targets.signed.clone());
        let report = self.mirror_targets(&roles, &into.join("targets")).await?;
        let dir = into.join("metadata");
        fs::create_dir_all(&dir).map_err(RepositoryError::io("create", &dir))?;
        self.mirror_roots(&dir).await?;
        place(&dir, delegated.iter())?;
        let (last, rest): (Vec<_>, Vec<_>) =
            self.trusted.files.iter().partition(|(name, _)| *name == "timestamp.json");
        place(&dir, rest.into_iter())?;
        place(&dir, last.into_iter())?;
        Ok(report)
    }

    async fn mirror_targets(
        &self,
        roles: &[Targets],
        dir: &Path,
    ) -> Result<MirrorReport, RepositoryError> {
        let mut report = MirrorReport::default();
        for (name, target) in roles.iter().flat_map(|role| &role.targets) {
            // The name becomes a path, so it must be one of ours, whatever the repository calls lawful.
            let name = TargetName::parse(name.raw())
                .map_err(|_| RepositoryError::UnsafePlace { path: PathBuf::from(name.raw()) })?;
            let wanted = self.wanted_of(name.as_str(), target)?;
            let out = dir.join(self.place_of(name.as_str(), &wanted.sha256));
            // Files arrive by a rename after their digest was compared, so the length tells whole from absent.
            if fs::symlink_metadata(&out)
                .is_ok_and(|there| there.is_file() && there.len() == wanted.length)
            {
                report.kept += 1;
                continue;
            }
            let folder = out.parent().unwrap_or(dir);
            fs::create_dir_all(folder).map_err(RepositoryError::io("create", folder))?;
            download::save(&self.workflow.http, &wanted, &out).await?;
            report.fetched += 1;
            report.fetched_bytes.0 += wanted.length;
        }
        Ok(report)
    }

    /// Clients may have pinned an old root and need every one since.
    async fn mirror_roots(&self, dir: &Path) -> Result<(), RepositoryError> {
        let pinned = self.workflow.store.pinned()?;
        let pinned_version = serde_json::from_slice::<serde_json::Value>(&pinned)
            .ok()
            .and_then(|root| root["signed"]["version"].as_u64());
        for version in 1..=self.trusted.root.signed.version.get() {
            let name = format!("{version}.root.json");
            let path = dir.join(&name);
            if path.exists() || self.trusted.files.contains_key(&name) {
                continue;
            }
            match self.workflow.bring(&name, workflow::root_bytes_max()).await {
                Ok(content) => write_atomically(&path, &content)?,
                // Those before the pinned one may be gone; the pinned one itself is at hand.
                Err(_) if pinned_version == Some(version) => write_atomically(&path, &pinned)?,
                Err(RepositoryError::MissingFile { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn place<'a>(
    dir: &Path,
    files: impl Iterator<Item = (&'a String, &'a Bytes)>,
) -> Result<(), RepositoryError> {
    for (name, content) in files {
        let path = dir.join(name);
        if !fs::read(&path).is_ok_and(|there| there == *content) {
            write_atomically(&path, content)?;
        }
    }
    Ok(())
}
