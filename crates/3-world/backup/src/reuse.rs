//! What an earlier backup of the same product holds already: unchanged files are linked, not copied.

use crate::{
    aside::is_aside,
    error::BackupError,
    manifest::{Identity, Manifest, SavedDatabase, SavedNode, SavedPath},
};
use refit_names::{ByteSize, Digest};
use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A file that changed so shortly before a backup may change again without a trace: clocks of file systems tick
/// every few milliseconds on Linux, every two seconds on the coarsest.
const TRACELESS_NS: i64 = 2_000_000_000;

/// Files of an earlier backup, by their place below the product's root.
pub(crate) struct Earlier {
    files: BTreeMap<String, (Identity, ByteSize, Digest)>,
    data: PathBuf,
    /// Bytes of its databases' dumps.
    pub(crate) dumps: BTreeMap<String, u64>,
}

impl Earlier {
    /// The newest backup in `folder`, sealed or saved ahead; empty when there is none that can be read.
    pub(crate) fn newest(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut backups: Vec<_> = entries
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                !is_aside(&name) && !name.ends_with(".partial")
            })
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        backups.sort();
        // An unreadable one is no reason against a new one: there is only nothing to reuse.
        let newest = backups
            .into_iter()
            .rev()
            .find_map(|(_, path)| Some((Manifest::peek(&path).ok()?, path)));
        let Some((manifest, path)) = newest else {
            return Self { files: BTreeMap::new(), data: PathBuf::new(), dumps: BTreeMap::new() };
        };
        let dump = |(name, database): (&String, &SavedDatabase)| match database {
            SavedDatabase::Postgres { size, .. } | SavedDatabase::Mariadb { size, .. } => {
                Some((name.clone(), size.0))
            }
            SavedDatabase::Sqlite { .. } | SavedDatabase::Absent { .. } => None,
        };
        let dumps = manifest.databases.iter().filter_map(dump).collect();
        Self { files: index(manifest.files), data: path.join("data"), dumps }
    }

    /// The copy of the file at `relative`, when the live one is still the very same.
    pub(crate) fn find(
        &self,
        relative: &str,
        live: Option<&Identity>,
    ) -> Option<(PathBuf, ByteSize, Digest)> {
        let (identity, size, digest) = self.files.get(relative)?;
        (Some(identity) == live).then(|| (self.data.join(relative), *size, *digest))
    }
}

fn index(files: Vec<SavedPath>) -> BTreeMap<String, (Identity, ByteSize, Digest)> {
    let kept = files.into_iter().filter_map(|saved| match (saved.node, saved.seen) {
        (SavedNode::File { size, digest }, Some(seen)) => Some((saved.path, (seen, size, digest))),
        _ => None,
    });
    kept.collect()
}

impl Identity {
    /// What tells a file from a changed one; none when it could change without a trace after `begun`.
    pub(crate) fn of(seen: &Metadata, begun: i64) -> Option<Self> {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        let changed_ns = nanoseconds(seen.ctime(), seen.ctime_nsec())?;
        if changed_ns > begun.saturating_sub(TRACELESS_NS) {
            return None;
        }
        let modified_ns = nanoseconds(seen.mtime(), seen.mtime_nsec())?;
        let (device, inode) = (seen.dev(), seen.ino());
        Some(Self { device, inode, size: ByteSize(seen.len()), modified_ns, changed_ns })
    }
}

/// The file system's own clock, now: the change time of a folder that was just made.
pub(crate) fn file_clock(fresh: &Path) -> Result<i64, BackupError> {
    let seen = fs::metadata(fresh).map_err(BackupError::io("look at", fresh))?;
    Ok(seen.ctime().saturating_mul(1_000_000_000).saturating_add(seen.ctime_nsec()))
}
