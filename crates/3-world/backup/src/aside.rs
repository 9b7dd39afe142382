//! What restores replaced: kept until a person says that nobody needs it.

use crate::{
    error::BackupError,
    files::sync_folder,
    manifest::MANIFEST_FILE,
    take::{Sealed, sealed_in},
};
use refit_names::ProductName;
use std::{fs, path::Path};

const MARK: &str = ".abandoned-";

/// Whether a folder among the backups is something that a restore replaced.
#[must_use]
pub fn is_aside(name: &str) -> bool {
    name.contains(MARK)
}

/// The name of what the restore of `backup` replaces when it is the `number`th.
pub(crate) fn name(backup: &str, number: u32) -> String {
    format!("{backup}{MARK}{number}")
}

/// All that restores of a product replaced, oldest first.
#[must_use]
pub fn set_aside(store: &Path, product: &ProductName) -> Vec<Sealed> {
    sealed_in(store, product, is_aside)
}

/// Throws one of [`set_aside`] away. Cut off, it is still there and is thrown away by the next call.
///
/// # Errors
/// [`BackupError::Io`] when it cannot be removed.
pub fn discard(aside: &Sealed) -> Result<(), BackupError> {
    let entries = fs::read_dir(&aside.folder).map_err(BackupError::io("list", &aside.folder))?;
    for entry in entries {
        let entry = entry.map_err(BackupError::io("list", &aside.folder))?;
        // Last of all: it is what names the rest.
        if entry.file_name() != MANIFEST_FILE {
            let kind = entry.file_type().map_err(BackupError::io("look at", &entry.path()))?;
            let remove = if kind.is_dir() { fs::remove_dir_all } else { fs::remove_file };
            remove(entry.path()).map_err(BackupError::io("remove", &entry.path()))?;
        }
    }
    fs::remove_dir_all(&aside.folder).map_err(BackupError::io("remove", &aside.folder))?;
    aside.folder.parent().map_or(Ok(()), sync_folder)
}
