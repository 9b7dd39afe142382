//! Where a repository lies.

use crate::{
    error::VaultError,
    s3::{Fault, S3, S3Place},
};
use rustic_backend::BackendOptions;
use rustic_core::{FileType, RepositoryBackends};
use std::{fmt, path::PathBuf, sync::Arc};

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A folder, maybe of another machine.
    Folder(PathBuf),
    /// A bucket of a server that speaks S3.
    S3(S3Place),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3(place) => write!(f, "{place}"),
        }
    }
}

/// A target that can be reached, or could a moment ago.
pub(crate) enum Reached {
    Folder(PathBuf),
    S3(Arc<S3>),
}

impl Reached {
    pub(crate) fn new(target: &Target) -> Result<Self, VaultError> {
        Ok(match target {
            Target::Folder(folder) => Self::Folder(folder.clone()),
            Target::S3(place) => Self::S3(Arc::new(
                S3::new(place.clone())
                    .map_err(|fault| VaultError::Target { place: place.to_string(), fault })?,
            )),
        })
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::S3(s3) => s3.place().to_string(),
        }
    }

    /// Whether a repository is there: nothing else in the target says so.
    pub(crate) fn has_repository(&self) -> Result<bool, VaultError> {
        match self {
            Self::Folder(folder) => Ok(folder.join("config").is_file()),
            Self::S3(s3) => s3.has(FileType::Config.dirname()).map_err(self.failed()),
        }
    }

    /// Makes room for a new repository; something that lies there already is an error.
    pub(crate) fn make(&self) -> Result<(), VaultError> {
        let is_empty = match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(VaultError::io("make folder", folder))?;
                let mut inside =
                    std::fs::read_dir(folder).map_err(VaultError::io("list", folder))?;
                inside.next().is_none()
            }
            Self::S3(s3) => s3.list("").map_err(self.failed())?.is_empty(),
        };
        if is_empty { Ok(()) } else { Err(VaultError::Occupied { place: self.name() }) }
    }

    /// Makes the names of what was written survive a power loss: the library renames its files into place and leaves it at that.
    pub(crate) fn settle(&self) -> Result<(), VaultError> {
        match self {
            Self::Folder(folder) => Ok(refit_backup::sync_volume(folder)?),
            Self::S3(_) => Ok(()),
        }
    }

    pub(crate) fn backends(&self) -> Result<RepositoryBackends, VaultError> {
        match self {
            Self::Folder(folder) => {
                let options = BackendOptions::default().repository(folder.display().to_string());
                options.to_backends().map_err(VaultError::repository("reach it", self))
            }
            Self::S3(s3) => Ok(RepositoryBackends::new(Arc::clone(s3) as _, None)),
        }
    }

    /// What the target itself said last, if that is why something failed: the library only passes words on.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Folder(_) => None,
            Self::S3(s3) => s3.take_fault(),
        }
    }

    pub(crate) fn failed(&self) -> impl FnOnce(Fault) -> VaultError + use<> {
        let place = self.name();
        move |fault| VaultError::Target { place, fault }
    }
}
