//! The keys that one person or one machine holds.

use super::{Passphrase, SigningKey};
use crate::ForgeError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The keys that one person or one machine holds. Which of them a role needs is the metadata's word.
pub struct Keyring(Vec<SigningKey>);

impl Keyring {
    /// Every private key of a folder: files `*.der` and `*.pem` that are not public keys.
    ///
    /// # Errors
    /// [`ForgeError::Io`], [`ForgeError::Key`].
    pub fn open(dir: &Path, passphrase: Option<&Passphrase>) -> Result<Self, ForgeError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir).map_err(ForgeError::read(dir))? {
            let path = entry.map_err(ForgeError::read(dir))?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let is_key = match extension {
                Some("der") => true,
                Some("pem") => is_private(&path)?,
                _ => false,
            };
            if is_key {
                paths.push(path);
            }
        }
        paths.sort();
        Self::read(&paths, passphrase)
    }

    /// The keys in these files.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn read(paths: &[PathBuf], passphrase: Option<&Passphrase>) -> Result<Self, ForgeError> {
        let keys = paths.iter().map(|path| SigningKey::read_with(path, passphrase));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// No key at all: what is published is signed already.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.0.iter()
    }

    pub(crate) fn push(&mut self, key: SigningKey) {
        self.0.push(key);
    }
}

fn is_private(path: &Path) -> Result<bool, ForgeError> {
    let text = fs::read(path).map_err(ForgeError::read(path))?;
    Ok(String::from_utf8_lossy(&text).contains("PRIVATE KEY-----"))
}
