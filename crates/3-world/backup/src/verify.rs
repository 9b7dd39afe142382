//! Reads backups back.

use crate::{
    error::BackupError,
    files::measure_told,
    manifest::{Manifest, SavedDatabase, SavedNode},
    mariadb,
    meter::Meter,
    postgres,
    share::each,
    sqlite,
    take::{Saved, Sealed},
};
use refit_names::{ByteSize, Digest};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How much of a backup is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every byte.
    Whole,
    /// What was copied for this one; files of an earlier backup are looked at for their length only.
    Fresh,
}

/// Reads a backup back and compares it with the manifest; databases are opened.
///
/// # Errors
/// [`BackupError::Damaged`] at the first byte that is not what was saved.
pub fn verify(sealed: &Sealed, depth: Depth, limit: Duration) -> Result<ByteSize, BackupError> {
    verify_told(sealed, depth, limit, &Meter::default())
}

/// As [`verify`], counted.
///
/// # Errors
/// As [`verify`].
pub fn verify_told(
    sealed: &Sealed,
    depth: Depth,
    limit: Duration,
    meter: &Meter,
) -> Result<ByteSize, BackupError> {
    meter.expect(match depth {
        Depth::Whole => sealed.manifest.size().0,
        Depth::Fresh => Saved::of(&sealed.manifest).copied.0,
    });
    let mut read = read_back(&sealed.folder, &sealed.manifest, depth, meter)?.0;
    let folder = sealed.folder.join("databases");
    for (name, database) in &sealed.manifest.databases {
        if let Some((copy, node)) = copy_in(&folder, name, database) {
            read += same(&copy, &node, meter)?;
            open(name, database, &folder, limit)?;
        }
    }
    Ok(ByteSize(read))
}

/// Where the copy of a database lies, and what it must be.
fn copy_in(folder: &Path, name: &str, database: &SavedDatabase) -> Option<(PathBuf, SavedNode)> {
    let dump = |size: &ByteSize, digest: &Digest| SavedNode::File { size: *size, digest: *digest };
    let (file, node) = match database {
        SavedDatabase::Absent { .. } => return None,
        SavedDatabase::Sqlite { file, .. } => (format!("{name}.sqlite"), file.node.clone()),
        SavedDatabase::Mariadb { size, digest } => (format!("{name}.sql"), dump(size, digest)),
        SavedDatabase::Postgres { size, digest } => (format!("{name}.dump"), dump(size, digest)),
    };
    Some((folder.join(file), node))
}

/// Whether the copy of a database in `folder` is one for its own programs too.
pub(crate) fn open(
    name: &str,
    database: &SavedDatabase,
    folder: &Path,
    limit: Duration,
) -> Result<(), BackupError> {
    let Some((copy, _)) = copy_in(folder, name, database) else { return Ok(()) };
    match database {
        SavedDatabase::Absent { .. } => Ok(()),
        SavedDatabase::Sqlite { .. } => sqlite::check(&copy),
        SavedDatabase::Mariadb { .. } => mariadb::check(&copy),
        SavedDatabase::Postgres { .. } => postgres::check(name, &copy, limit),
    }
}

pub(crate) fn read_back(
    folder: &Path,
    manifest: &Manifest,
    depth: Depth,
    meter: &Meter,
) -> Result<ByteSize, BackupError> {
    let read = each(&manifest.files, |saved| {
        let copy = folder.join("data").join(&saved.path);
        match &saved.node {
            SavedNode::File { size, .. } if saved.reused && depth == Depth::Fresh => {
                let seen = fs::metadata(&copy).map_err(BackupError::io("look at", &copy))?;
                if seen.len() != size.0 {
                    let (expected, found) =
                        (format!("{} bytes", size.0), format!("{} bytes", seen.len()));
                    return Err(BackupError::Damaged { path: copy, expected, found });
                }
                Ok(0)
            }
            node => same(&copy, node, meter),
        }
    })?;
    Ok(ByteSize(read.iter().sum()))
}

/// Bytes that were read; an error when they are not those that were saved.
pub(crate) fn same(path: &Path, node: &SavedNode, meter: &Meter) -> Result<u64, BackupError> {
    let SavedNode::File { size, digest } = node else { return Ok(0) };
    let (found_size, found) = measure_told(path, meter)?;
    if found_size != *size || found != *digest {
        return Err(BackupError::digest(path, *digest, found));
    }
    Ok(found_size.0)
}
