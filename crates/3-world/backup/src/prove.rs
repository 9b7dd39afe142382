//! The proof of a backup: a real restore into scratch space, files and databases, with nothing of the product touched.

use crate::{
    DatabasePlace, UnitPlace,
    error::BackupError,
    files::{copy_for_now, copy_for_now_told, make_folder},
    manifest::{SavedDatabase, SavedNode},
    mariadb, postgres, sqlite,
    take::Sealed,
    verify::{Depth, verify_told},
};
use refit_names::ByteSize;
use std::{fs, path::Path};

/// What was restored into scratch space and found to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Bytes of files.
    pub files: ByteSize,
    /// A line for each database.
    pub databases: Vec<String>,
}

/// Restores a backup into `scratch`, which is made and removed, and into scratch databases on the servers of the product's own.
///
/// # Errors
/// [`BackupError`]: then the backup cannot be relied on, or there is no room to prove it.
pub fn prove(sealed: &Sealed, place: &UnitPlace, scratch: &Path) -> Result<Proof, BackupError> {
    verify_told(sealed, Depth::Whole, place.limit, &place.meter)?;
    place.meter.expect(sealed.manifest.size().0);
    if scratch.exists() {
        fs::remove_dir_all(scratch).map_err(BackupError::io("remove", scratch))?;
    }
    make_folder(scratch)?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(scratch, private).map_err(BackupError::io("set rights of", scratch))?;
    let proof = restore_all(sealed, place, scratch);
    // What failed is told; that something was left behind must not hide it.
    let removed = fs::remove_dir_all(scratch).map_err(BackupError::io("remove", scratch));
    let proof = proof?;
    removed.map(|()| proof)
}

/// Nothing here need survive a power loss: scratch space is thrown away.
fn restore_all(sealed: &Sealed, place: &UnitPlace, scratch: &Path) -> Result<Proof, BackupError> {
    let (data, from) = (scratch.join("data"), sealed.folder.join("data"));
    let mut bytes = 0;
    for saved in &sealed.manifest.files {
        let target = data.join(&saved.path);
        let parent = if matches!(saved.node, SavedNode::Folder {}) {
            Some(target.as_path())
        } else {
            target.parent()
        };
        if let Some(parent) = parent {
            fs::create_dir_all(parent).map_err(BackupError::io("make folder", parent))?;
        }
        match &saved.node {
            SavedNode::Folder {} => {}
            SavedNode::Link { target: to } => {
                let made = std::os::unix::fs::symlink(to, &target);
                made.map_err(BackupError::io("link", &target))?;
            }
            SavedNode::File { digest, .. } => {
                let (size, found) =
                    copy_for_now_told(&from.join(&saved.path), &target, &place.meter)?;
                if found != *digest {
                    return Err(BackupError::digest(&target, *digest, found));
                }
                bytes += size.0;
            }
        }
    }
    let mut databases = Vec::new();
    for (name, saved) in &sealed.manifest.databases {
        let folder = sealed.folder.join("databases");
        let line = match (saved, place.databases.get(name)) {
            (SavedDatabase::Absent { .. }, _) => format!("{name}: there was none"),
            (SavedDatabase::Sqlite { .. }, _) => {
                let target = scratch.join(format!("{name}.sqlite"));
                copy_for_now(&folder.join(format!("{name}.sqlite")), &target)?;
                sqlite::check(&target)?;
                format!("{name}: {} tables, every page checked", sqlite::tables(&target)?)
            }
            (SavedDatabase::Postgres { .. }, Some(DatabasePlace::Postgres(url))) => {
                let dump = folder.join(format!("{name}.dump"));
                let tables = postgres::prove((name, url), &dump, scratch, place)?;
                format!("{name}: {tables} tables restored into a scratch database")
            }
            (SavedDatabase::Mariadb { .. }, Some(DatabasePlace::Mariadb(url))) => {
                let dump = folder.join(format!("{name}.sql"));
                let tables = mariadb::prove((name, url), &dump, scratch, place)?;
                format!("{name}: {tables} tables restored into a scratch database")
            }
            (SavedDatabase::Postgres { .. } | SavedDatabase::Mariadb { .. }, found) => {
                return Err(BackupError::Foreign {
                    what: "kind of database",
                    expected: found.map_or("none", |_| "a file").to_owned(),
                    found: format!("server database {name}"),
                });
            }
        };
        databases.push(line);
    }
    Ok(Proof { files: ByteSize(bytes), databases })
}
