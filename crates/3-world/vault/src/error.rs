//! What can go wrong with a repository of backups.

use refit_backup::BackupError;
use refit_names::{Coded, ErrorClass};
use rustic_core::RusticError;
use std::path::{Path, PathBuf};

/// Why a backup was not kept, found, read or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no repository.
    #[error(
        "no backup repository in {}, expected one that was made before (is the volume mounted?)", folder.display()
    )]
    Missing {
        /// Where.
        folder: PathBuf,
    },
    /// There is one already, or something else.
    #[error("{} is not empty, expected an empty or missing folder for a new backup repository", folder.display())]
    Occupied {
        /// Where.
        folder: PathBuf,
    },
    /// The password opens nothing.
    #[error("the password of the backup repository {} is wrong", folder.display())]
    Password {
        /// Where.
        folder: PathBuf,
    },
    /// Another process writes to it.
    #[error("backup repository {} is in use by another process ({})", folder.display(), holder)]
    Busy {
        /// Where.
        folder: PathBuf,
        /// Who, as far as it said.
        holder: String,
    },
    /// The repository refused.
    #[error("failed to {what} in backup repository {}: {why}", folder.display())]
    Repository {
        /// What was tried.
        what: &'static str,
        /// Where.
        folder: PathBuf,
        /// What it said, in one line.
        why: String,
    },
    /// No such snapshot.
    #[error("backup repository {} has no snapshot `{snapshot}` of host `{host}`", folder.display())]
    NoSnapshot {
        /// Where.
        folder: PathBuf,
        /// What was looked for.
        snapshot: String,
        /// Of which host.
        host: String,
    },
    /// A snapshot is not what its manifest says.
    #[error("snapshot `{snapshot}`: {path} has {found}, expected {expected}")]
    NotWhole {
        /// Which.
        snapshot: String,
        /// Which path in it.
        path: String,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A backup outside the repository.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A system call failed.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl VaultError {
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<'a> {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    /// Turns the library's page of advice into one line that keeps its causes.
    pub(crate) fn repository<'a>(
        what: &'static str,
        folder: &'a Path,
    ) -> impl FnOnce(Box<RusticError>) -> Self + use<'a> {
        move |error| {
            if error.is_incorrect_password() {
                return Self::Password { folder: folder.to_owned() };
            }
            let words: Vec<String> =
                error.display_log().lines().map(|line| line.trim().to_owned()).collect();
            Self::Repository { what, folder: folder.to_owned(), why: words.join("; ") }
        }
    }
}

/// The library stops a thread where others return an error, at damaged data above all: here it becomes an error again.
pub(crate) fn guarded<T>(
    what: &'static str,
    folder: &Path,
    work: impl FnOnce() -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    caught.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        let why = words.unwrap_or("it stopped without a word").to_owned();
        Err(VaultError::Repository { what, folder: folder.to_owned(), why })
    })
}

impl Coded for VaultError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "backup.repository-missing",
            Self::Occupied { .. } => "backup.repository-occupied",
            Self::Password { .. } => "backup.repository-password",
            Self::Busy { .. } => "backup.repository-busy",
            Self::Repository { .. } | Self::Io { .. } => "backup.repository-failed",
            Self::NoSnapshot { .. } => "backup.no-snapshot",
            Self::NotWhole { .. } => "backup.damaged",
            Self::Backup(error) => error.code(),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Busy { .. } => ErrorClass::Retry,
            Self::NoSnapshot { .. } => ErrorClass::Permanent,
            Self::Backup(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}
