//! A repository to try things on: the same files by hard links, gone when it is dropped.
//!
//! Everything here writes beside a file and renames, so the linked originals never change.

use crate::ForgeError;
use std::{fs, path::Path};

/// A repository to try things on.
#[derive(Debug)]
pub struct Rehearsal(tempfile::TempDir);

impl Rehearsal {
    /// Links every file of the repository.
    ///
    /// # Errors
    /// [`ForgeError::Io`].
    pub fn of(repository: &Path) -> Result<Self, ForgeError> {
        // Links need the same file system.
        let copy = tempfile::Builder::new()
            .prefix(".rehearsal-")
            .tempdir_in(repository)
            .map_err(ForgeError::write(repository))?;
        for part in ["metadata", "staged", "targets"] {
            let from = repository.join(part);
            if from.exists() {
                link(&from, &copy.path().join(part))?;
            }
        }
        Ok(Self(copy))
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn link(from: &Path, to: &Path) -> Result<(), ForgeError> {
    fs::create_dir_all(to).map_err(ForgeError::write(to))?;
    for entry in fs::read_dir(from).map_err(ForgeError::read(from))? {
        let entry = entry.map_err(ForgeError::read(from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(ForgeError::read(&path))?.is_dir() {
            link(&path, &place)?;
        } else {
            fs::hard_link(&path, &place).map_err(ForgeError::write(&place))?;
        }
    }
    Ok(())
}
