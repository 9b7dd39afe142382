//! What waits for signatures, beside the published state: `staged/ROLE/metadata.json` and the targets that come with it.
//!
//! The folder is all that travels between the holders of keys. Signatures are added to the file; those of copies that were signed
//! elsewhere are gathered from it. Nothing of it is visible to clients.

use super::{
    place,
    sign::{self, Holders},
    state::{broken, read_role},
};
use crate::{ForgeError, key::Keyring};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tough::schema::{Role, Signed, Targets};

/// The next metadata of one role.
pub(super) struct Staged<T> {
    pub(super) dir: PathBuf,
    pub(super) metadata: Signed<T>,
}

/// Where the next metadata of a role waits.
#[must_use]
pub fn staged_folder(repository: &Path, role: &str) -> PathBuf {
    repository.join("staged").join(role)
}

impl<T: Role + Serialize + DeserializeOwned + PartialEq> Staged<T> {
    /// Metadata to be signed.
    pub(super) fn new(dir: PathBuf, metadata: T) -> Self {
        Self { dir, metadata: sign::unsigned(metadata) }
    }

    /// What waits in a folder, if something does.
    pub(super) fn find(dir: &Path) -> Result<Option<Self>, ForgeError> {
        let file = dir.join("metadata.json");
        if !file.exists() {
            return Ok(None);
        }
        Ok(Some(Self { dir: dir.to_owned(), metadata: read_role(&file)? }))
    }

    /// What waits in a folder.
    pub(super) fn read(dir: &Path, role: &str) -> Result<Self, ForgeError> {
        Self::find(dir)?.ok_or_else(|| ForgeError::NothingStaged {
            role: role.to_owned(),
            path: dir.to_owned(),
        })
    }

    /// What waits in a folder, on top of the published version, with the signatures of all copies.
    pub(super) fn complete(
        dir: &Path,
        role: &str,
        published: u64,
        copies: &[PathBuf],
    ) -> Result<Self, ForgeError> {
        let mut staged = Self::read(dir, role)?;
        staged.check_version(role, published)?;
        for copy in copies {
            staged.gather(copy)?;
        }
        Ok(staged)
    }

    pub(super) fn write(&self) -> Result<(), ForgeError> {
        let (file, content) = (self.dir.join("metadata.json"), sign::to_file(&self.metadata)?);
        place::content(&file, &content)
    }

    /// Adds signatures; refuses when no key of the ring has a part in the role.
    pub(super) fn sign(
        &mut self,
        keys: &Keyring,
        holders: &[&Holders],
    ) -> Result<Vec<String>, ForgeError> {
        let by = sign::sign(&mut self.metadata, keys, holders)?;
        if by.is_empty() {
            let role = holders.first().map(|holders| holders.role.clone()).unwrap_or_default();
            return Err(ForgeError::ForeignKey { role });
        }
        Ok(by)
    }

    /// Takes over the signatures of a copy that was signed elsewhere.
    fn gather(&mut self, copy: &Path) -> Result<(), ForgeError> {
        let file = if copy.is_dir() { copy.join("metadata.json") } else { copy.to_owned() };
        let other: Signed<T> = read_role(&file)?;
        if other.signed != self.metadata.signed {
            return Err(broken(&file, "it is a copy of other metadata than those that wait here"));
        }
        for signature in other.signatures {
            if !self.metadata.signatures.iter().any(|there| there.keyid == signature.keyid) {
                self.metadata.signatures.push(signature);
            }
        }
        Ok(())
    }

    /// Refuses what was made on top of another state than the published one.
    pub(super) fn check_version(&self, role: &str, published: u64) -> Result<(), ForgeError> {
        let found = self.metadata.signed.version().get();
        if found != published + 1 {
            return Err(ForgeError::Stale {
                role: role.to_owned(),
                expected: published + 1,
                found,
            });
        }
        Ok(())
    }
}

impl Staged<Targets> {
    /// The folder with the targets that come with the metadata.
    pub(super) fn targets_dir(&self) -> PathBuf {
        self.dir.join("targets")
    }
}

/// Forgets what waits.
///
/// # Errors
/// [`ForgeError::NothingStaged`], [`ForgeError::Io`].
pub fn discard(repository: &Path, role: &str) -> Result<(), ForgeError> {
    let dir = staged_folder(repository, role);
    if !dir.join("metadata.json").exists() {
        return Err(ForgeError::NothingStaged { role: role.to_owned(), path: dir });
    }
    remove(&dir)
}

/// Removes a staged folder, and `staged` itself with the last.
pub(super) fn remove(dir: &Path) -> Result<(), ForgeError> {
    fs::remove_dir_all(dir).map_err(ForgeError::write(dir))?;
    if let Some(parent) = dir.parent() {
        // Others may wait in it still.
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}
