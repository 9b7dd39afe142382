//! Reads backups back.

use crate::{
    error::BackupError,
    files::measure_told,
    manifest::{Manifest, SavedDatabase, SavedNode},
    mariadb,
    meter::Meter,
    postgres, sqlite,
    take::{Saved, Sealed},
};
use refit_names::ByteSize;
use std::{fs, path::Path, time::Duration};

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
        read += match database {
            SavedDatabase::Absent { .. } => 0,
            SavedDatabase::Sqlite { file, .. } => {
                let copy = folder.join(format!("{name}.sqlite"));
                let size = same(&copy, &file.node, meter)?;
                sqlite::check(&copy)?;
                size
            }
            SavedDatabase::Mariadb { size, digest } => {
                let copy = folder.join(format!("{name}.sql"));
                let size = same(&copy, &SavedNode::File { size: *size, digest: *digest }, meter)?;
                mariadb::check(&copy)?;
                size
            }
            SavedDatabase::Postgres { size, digest } => {
                let copy = folder.join(format!("{name}.dump"));
                let size = same(&copy, &SavedNode::File { size: *size, digest: *digest }, meter)?;
                postgres::check(name, &copy, limit)?;
                size
            }
        };
    }
    Ok(ByteSize(read))
}

pub(crate) fn read_back(
    folder: &Path,
    manifest: &Manifest,
    depth: Depth,
    meter: &Meter,
) -> Result<ByteSize, BackupError> {
    let mut read = 0;
    for saved in &manifest.files {
        let copy = folder.join("data").join(&saved.path);
        match &saved.node {
            SavedNode::File { size, .. } if saved.reused && depth == Depth::Fresh => {
                let seen = fs::metadata(&copy).map_err(BackupError::io("look at", &copy))?;
                if seen.len() != size.0 {
                    let (expected, found) =
                        (format!("{} bytes", size.0), format!("{} bytes", seen.len()));
                    return Err(BackupError::Damaged { path: copy, expected, found });
                }
            }
            node => read += same(&copy, node, meter)?,
        }
    }
    Ok(ByteSize(read))
}

/// Bytes that were read; an error when they are not those that were saved.
fn same(path: &Path, node: &SavedNode, meter: &Meter) -> Result<u64, BackupError> {
    let SavedNode::File { size, digest } = node else { return Ok(0) };
    let (found_size, found) = measure_told(path, meter)?;
    if found_size != *size || found != *digest {
        return Err(BackupError::digest(path, *digest, found));
    }
    Ok(found_size.0)
}
