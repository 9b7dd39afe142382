//! A copy that can be served as is: targets first, then the metadata that names them, the timestamp last.
//!
//! Interrupted anywhere, the copy still offers the state before: files with a version or a digest in their name never change, and
//! `timestamp.json` alone says which of them count.

use crate::{Repository, RepositoryError, download, transport::Wire, trust::write_atomically};
use refit_names::{ByteSize, TargetName};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

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
        if !self.tuf.root().signed.consistent_snapshot {
            return Err(RepositoryError::NoConsistentSnapshots);
        }
        let report = self.mirror_targets(&into.join("targets")).await?;
        let dir = into.join("metadata");
        fs::create_dir_all(&dir).map_err(RepositoryError::io("create", &dir))?;
        self.mirror_roots(&dir).await?;
        for name in self.metadata_names() {
            let path = dir.join(&name);
            let content = self.verified(&name)?;
            if !fs::read(&path).is_ok_and(|there| there == content) {
                write_atomically(&path, content)?;
            }
        }
        Ok(report)
    }

    async fn mirror_targets(&self, dir: &Path) -> Result<MirrorReport, RepositoryError> {
        let mut report = MirrorReport::default();
        for (name, target) in self.tuf.all_targets().collect::<Vec<_>>() {
            // The name becomes a path, so it must be one of ours, whatever the repository calls lawful.
            let name = TargetName::parse(name.raw()).map_err(|_| RepositoryError::UnsafePlace { path: PathBuf::from(name.raw()) })?;
            let wanted = self.wanted_of(name.as_str(), target)?;
            let out = dir.join(self.place_of(name.as_str(), &wanted.sha256));
            // Files arrive by a rename after their digest was compared, so the length tells whole from absent.
            if fs::symlink_metadata(&out).is_ok_and(|there| there.is_file() && there.len() == wanted.length) {
                report.kept += 1;
                continue;
            }
            let folder = out.parent().unwrap_or(dir);
            fs::create_dir_all(folder).map_err(RepositoryError::io("create", folder))?;
            download::save(&self.source.http, &wanted, &out).await?;
            report.fetched += 1;
            report.fetched_bytes.0 += wanted.length;
        }
        Ok(report)
    }

    /// Clients may have pinned an old root and need every one since.
    async fn mirror_roots(&self, dir: &Path) -> Result<(), RepositoryError> {
        let wire = Wire::new(self.source.http.clone());
        for version in 1..=self.tuf.root().signed.version.get() {
            let name = format!("{version}.root.json");
            let path = dir.join(&name);
            if path.exists() {
                continue;
            }
            let url = self.metadata_url(&name)?;
            match self.brought.get(url.as_str()) {
                Some(content) => write_atomically(&path, content)?,
                None => match wire.bring(&url).await {
                    Ok(content) => write_atomically(&path, &content)?,
                    // Those before the pinned one may be gone; the pinned one itself is at hand.
                    Err(_) if self.is_pinned(version) => write_atomically(&path, &self.pinned)?,
                    Err(crate::transport::Fault::Missing) => {}
                    Err(fault) => return Err(RepositoryError::from_fault(&url, fault)),
                },
            }
        }
        Ok(())
    }

    fn is_pinned(&self, version: u64) -> bool {
        serde_json::from_slice::<serde_json::Value>(&self.pinned).is_ok_and(|root| root["signed"]["version"] == version)
    }

    /// The current metadata except roots, what is named before what names it.
    fn metadata_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.brought.keys().filter_map(|url| url.strip_prefix(self.source.metadata.as_str())).map(str::to_owned).collect();
        names.retain(|name| !name.ends_with(".root.json") && !name.contains('/'));
        let timestamp = "timestamp.json";
        let snapshot = format!("{}.snapshot.json", self.tuf.snapshot().signed.version);
        names.sort_by_key(|name| (name == timestamp, *name == snapshot, name.clone()));
        names
    }

    /// The exact bytes that the library verified.
    fn verified(&self, name: &str) -> Result<&[u8], RepositoryError> {
        let url = self.metadata_url(name)?;
        self.brought.get(url.as_str()).map(AsRef::as_ref).ok_or_else(|| RepositoryError::MissingFile { url: url.to_string() })
    }

    fn metadata_url(&self, name: &str) -> Result<url::Url, RepositoryError> {
        self.source.metadata.join(name).map_err(|error| RepositoryError::malformed("address of the metadata", error))
    }
}
