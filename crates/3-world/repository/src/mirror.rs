//! A copy that can be served as is: targets first, then the metadata that names them, the timestamp last.
//!
//! Interrupted anywhere, the copy still offers the state before: files with a version or a digest in their name never change, and
//! `timestamp.json` alone says which of them count. A repository without consistent snapshots is gathered beside the copy first and
//! then moved in one short go.

use crate::{
    Repository, RepositoryError, delegations, download, trust::write_atomically, workflow,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use refit_names::{ByteSize, TargetName};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tough::schema::Targets;

/// How long a file stays that no metadata names any more: longer than a host takes to fetch what it was told before.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What the copy remembers of such files: since when nobody names them.
const UNNAMED: &str = "unnamed.json";

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
    /// Files that went because nothing has named them for a week.
    pub pruned: u64,
    /// Targets that the source does not have; only [`Repository::mirror_present`] goes on without them.
    pub absent: u64,
}

/// A target as signed metadata describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTarget {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// SHA-256 in hexadecimal digits; empty when the metadata give another digest.
    pub sha256: String,
}

/// What to do about a target that is named and not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Refuse,
    Skip,
}

impl Repository {
    /// Brings metadata and all targets to `into/metadata` and `into/targets`, and removes what nothing has named for a week.
    ///
    /// # Errors
    /// As [`Repository::save`]. The copy then offers what it offered before.
    pub async fn mirror(&self, into: &Path) -> Result<MirrorReport, RepositoryError> {
        self.copy(into, Absent::Refuse, &|_| true).await
    }

    /// As [`Repository::mirror`], only targets whose name is `wanted`; the metadata come whole.
    ///
    /// # Errors
    /// As [`Repository::mirror`].
    pub async fn mirror_selected(
        &self,
        into: &Path,
        wanted: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<MirrorReport, RepositoryError> {
        self.copy(into, Absent::Refuse, wanted).await
    }

    /// Every target that the metadata name: its file below the folder of targets, with name, length and SHA-256.
    ///
    /// # Errors
    /// As [`Repository::mirror`].
    pub async fn named(&self) -> Result<BTreeMap<String, NamedTarget>, RepositoryError> {
        let walk = delegations::walk(&self.workflow, &self.trusted).await;
        let mut roles: Vec<Targets> = walk.roles.into_iter().map(|role| role.targets).collect();
        roles.push(self.trusted.targets.signed.clone());
        let named = self.places(&roles)?.into_iter().map(|(place, (name, target))| {
            let sha256 = hex::encode(&target.hashes.sha256);
            (place, NamedTarget { name: name.to_owned(), length: target.length, sha256 })
        });
        Ok(named.collect())
    }

    /// As [`Repository::mirror`], from a medium that holds only some targets: those that are not there are left out and counted.
    ///
    /// # Errors
    /// As [`Repository::mirror`].
    pub async fn mirror_present(&self, into: &Path) -> Result<MirrorReport, RepositoryError> {
        self.copy(into, Absent::Skip, &|_| true).await
    }

    async fn copy(
        &self,
        into: &Path,
        absent: Absent,
        select: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<MirrorReport, RepositoryError> {
        let walk = delegations::walk(&self.workflow, &self.trusted).await;
        // A vendor who cannot be believed must not keep the others' packs away; one who cannot be read just now may.
        if let Some((_, error)) = walk.refused.into_iter().find(|(_, e)| !e.is_verification()) {
            return Err(error);
        }
        let mut roles: Vec<Targets> = walk.roles.into_iter().map(|role| role.targets).collect();
        roles.push(self.trusted.targets.signed.clone());
        let mut wanted = self.places(&roles)?;
        wanted.retain(|_, (name, _)| select(name));
        let consistent = self.trusted.root.signed.consistent_snapshot;
        let (targets, incoming) = (into.join("targets"), into.join("incoming"));
        let mut report = MirrorReport::default();
        let gather = if consistent { &targets } else { &incoming };
        for (place, (name, target)) in &wanted {
            let wanted = self.wanted_of(name, target)?;
            // Files arrive by a rename after their digest was compared. With the digest in the name the length tells whole from
            // absent; without it only the digest does.
            let out = targets.join(place);
            let there = if consistent {
                fs::symlink_metadata(&out)
                    .is_ok_and(|out| out.is_file() && out.len() == wanted.length)
            } else {
                download::is_there(&wanted, &out).await
            };
            if there {
                report.kept += 1;
                continue;
            }
            // Looked at first: a try would leave an empty beginning of a file.
            let gone = || wanted.url.to_file_path().is_ok_and(|path| !path.exists());
            if absent == Absent::Skip && gone() {
                report.absent += 1;
                continue;
            }
            let out = gather.join(place);
            let folder = out.parent().unwrap_or(gather);
            fs::create_dir_all(folder).map_err(RepositoryError::io("create", folder))?;
            download::save(self.way(), &wanted, &out).await?;
            report.fetched += 1;
            report.fetched_bytes.0 += wanted.length;
        }
        let dir = into.join("metadata");
        fs::create_dir_all(&dir).map_err(RepositoryError::io("create", &dir))?;
        self.mirror_roots(&dir).await?;
        if !consistent {
            move_over(&incoming, &targets, wanted.keys())?;
        }
        place(&dir, walk.files.iter())?;
        let (last, rest): (Vec<_>, Vec<_>) =
            self.trusted.files.iter().partition(|(name, _)| *name == "timestamp.json");
        place(&dir, rest.into_iter())?;
        place(&dir, last.into_iter())?;
        let mut named: BTreeSet<PathBuf> =
            wanted.keys().map(|place| Path::new("targets").join(place)).collect();
        let metadata = self.trusted.files.keys().chain(walk.files.keys());
        named.extend(metadata.map(|name| Path::new("metadata").join(name)));
        report.pruned = prune(into, &named, self.workflow.now)?;
        Ok(report)
    }

    /// Every target's place below the folder of targets, with its name and metadata; the first role that has a place fills it.
    fn places<'a>(&self, roles: &'a [Targets]) -> Result<Places<'a>, RepositoryError> {
        let mut places = BTreeMap::new();
        for (name, target) in roles.iter().flat_map(|role| &role.targets) {
            // The name becomes a path, so it must be one of ours, whatever the repository calls lawful.
            TargetName::parse(name.raw())
                .map_err(|_| RepositoryError::UnsafePlace { path: PathBuf::from(name.raw()) })?;
            let digests = crate::digests::Digests::of(&target.hashes)?;
            let place = self.place_of(name.raw(), digests.first());
            places.entry(place).or_insert((name.raw(), target));
        }
        Ok(places)
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

type Places<'a> = BTreeMap<String, (&'a str, &'a tough::schema::Target)>;

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

fn move_over<'a>(
    from: &Path,
    to: &Path,
    places: impl Iterator<Item = &'a String>,
) -> Result<(), RepositoryError> {
    for place in places {
        let (from, to) = (from.join(place), to.join(place));
        if !from.exists() {
            continue;
        }
        let folder = to.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(RepositoryError::io("create", folder))?;
        fs::rename(&from, &to).map_err(RepositoryError::io("write", &to))?;
    }
    if from.exists() {
        fs::remove_dir_all(from).map_err(RepositoryError::io("remove", from))?;
    }
    Ok(())
}

/// Removes files that no metadata has named for a week. Roots stay: somebody may have pinned the first.
fn prune(into: &Path, named: &BTreeSet<PathBuf>, now: Timestamp) -> Result<u64, RepositoryError> {
    let memory = into.join(UNNAMED);
    let before: BTreeMap<PathBuf, Timestamp> = fs::read(&memory)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let (mut since, mut pruned) = (BTreeMap::new(), 0);
    let mut files = Vec::new();
    for folder in ["metadata", "targets"] {
        list(into, Path::new(folder), &mut files)?;
    }
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if named.contains(&file) || name.ends_with(".root.json") {
            continue;
        }
        let first = before.get(&file).copied().unwrap_or(now);
        if now.duration_since(first) < GRACE {
            since.insert(file, first);
            continue;
        }
        let path = into.join(&file);
        fs::remove_file(&path).map_err(RepositoryError::io("remove", &path))?;
        pruned += 1;
        // An empty folder tells nobody anything.
        let _ = path.parent().map(fs::remove_dir);
    }
    if since != before {
        let text = serde_json::to_vec(&since)
            .map_err(|error| RepositoryError::malformed(UNNAMED, error))?;
        write_atomically(&memory, &text)?;
    }
    Ok(pruned)
}

fn list(into: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), RepositoryError> {
    let dir = into.join(folder);
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(RepositoryError::io("read", &dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(RepositoryError::io("read", &dir))?;
        let place = folder.join(entry.file_name());
        if entry.file_type().map_err(RepositoryError::io("read", &dir))?.is_dir() {
            list(into, &place, files)?;
        } else {
            files.push(place);
        }
    }
    Ok(())
}
