//! What can go wrong with a repository of backups.

use crate::{s3::Fault, target::Reached};
use refit_backup::{BackupError, is_full};
use refit_names::{Coded, ErrorClass};
use rustic_core::RusticError;
use std::{
    path::{Path, PathBuf},
    sync::Once,
};

/// Why a backup was not kept, found, read or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no repository.
    #[error(
        "no backup repository in {place}, expected one that was made before (is the volume mounted?)"
    )]
    Missing {
        /// Where.
        place: String,
    },
    /// There is one already, or something else.
    #[error(
        "{place} is not empty, expected an empty or missing folder for a new backup repository"
    )]
    Occupied {
        /// Where.
        place: String,
    },
    /// The password opens nothing.
    #[error("the password of the backup repository {place} is wrong")]
    Password {
        /// Where.
        place: String,
    },
    /// Another process writes to it.
    #[error("backup repository {place} is in use by another process ({holder})")]
    Busy {
        /// Where.
        place: String,
        /// Who, as far as it said.
        holder: String,
    },
    /// The repository refused.
    #[error("failed to {what} in backup repository {place}: {why}")]
    Repository {
        /// What was tried.
        what: &'static str,
        /// Where.
        place: String,
        /// What it said, in one line.
        why: String,
    },
    /// What lies in it is not what was written.
    #[error("backup repository {place} is damaged: failed to {what}: {why}")]
    Broken {
        /// Where.
        place: String,
        /// What was tried.
        what: &'static str,
        /// What was found, in one line.
        why: String,
    },
    /// There is no room.
    #[error("backup repository {place} is full: failed to {what}: {why}")]
    Full {
        /// Where.
        place: String,
        /// What was tried.
        what: &'static str,
        /// What it said, in one line.
        why: String,
    },
    /// The server that holds it.
    #[error("backup repository {place} cannot be used")]
    Target {
        /// Where.
        place: String,
        /// Why.
        #[source]
        fault: Fault,
    },
    /// No such snapshot.
    #[error("backup repository {place} has no snapshot `{snapshot}` of host `{host}`")]
    NoSnapshot {
        /// Where.
        place: String,
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

    /// Turns the library's page of advice into one line that keeps its causes. What the target itself said comes first.
    pub(crate) fn repository<'a>(
        what: &'static str,
        target: &'a Reached,
    ) -> impl FnOnce(Box<RusticError>) -> Self + use<'a> {
        move |error| {
            let place = target.name();
            if let Some(fault) = target.fault() {
                return Self::Target { place, fault };
            }
            if error.is_incorrect_password() {
                return Self::Password { place };
            }
            let why = told(&error.display_log());
            if NO_ROOM.iter().any(|words| why.contains(words)) {
                return Self::Full { place, what, why };
            }
            if why.contains(BROKEN) {
                return Self::Broken { place, what, why };
            }
            Self::Repository { what, place, why }
        }
    }
}

/// How Linux says it: the library keeps only words.
const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// The library's word for bytes that were not written with the key that opened the repository.
const BROKEN: &str = "Data decryption failed";
/// Where the library begins to print its own call stack, which it does when `RUST_BACKTRACE` is set.
const STACK: &str = "Backtrace:";
/// Headlines and advice for people who run the library's own program.
const ADVICE: [&str; 7] = [
    "Message:",
    "Some additional details",
    "For more information, see:",
    "Related issues:",
    "We believe this is a bug",
    "If you can, please attach",
    "Thank you for helping",
];

/// What happened, of a page that the library wrote.
pub(crate) fn told(page: &str) -> String {
    let lines = page.lines().map(str::trim).take_while(|line| *line != STACK);
    let words = lines
        .filter(|line| !line.is_empty() && !ADVICE.iter().any(|advice| line.starts_with(advice)));
    words.collect::<Vec<_>>().join("; ").trim_start_matches("Error: ").to_owned()
}

/// The library stops a thread where others return an error, at damaged data above all: here it becomes an error again.
pub(crate) fn guarded<T>(
    what: &'static str,
    target: &Reached,
    work: impl FnOnce() -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    tell_no_stops_of_the_library();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    caught.unwrap_or_else(|panic| {
        let place = target.name();
        if let Some(fault) = target.fault() {
            return Err(VaultError::Target { place, fault });
        }
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        let why = words.unwrap_or("it stopped without a word");
        if why.starts_with(LEFT_EARLY) {
            let why = "its folders could not be read to the end".to_owned();
            return Err(VaultError::Broken { place, what, why });
        }
        Err(VaultError::Repository { what, place, why: why.to_owned() })
    })
}

/// What the library says, with its whole index behind it, when it leaves folders at the first that is damaged while others are still being read.
const LEFT_EARLY: &str = "index still in use";

/// A stop of the library is an error of ours that is told once: its call stacks are none of the reader's business, and take so long to
/// print that the library itself gives up waiting for its threads.
fn tell_no_stops_of_the_library() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |stop| {
            if !stop.location().is_some_and(|place| place.file().contains("rustic_core")) {
                before(stop);
            }
        }));
    });
}

impl Coded for VaultError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "backup.repository-missing",
            Self::Occupied { .. } => "backup.repository-occupied",
            Self::Password { .. } => "backup.repository-password",
            Self::Busy { .. } => "backup.repository-busy",
            Self::Io { source, .. } if is_full(source) => "backup.target-full",
            Self::Repository { .. } | Self::Io { .. } => "backup.repository-failed",
            Self::Full { .. } => "backup.target-full",
            Self::Target { fault, .. } => fault.code(),
            Self::NoSnapshot { .. } => "backup.no-snapshot",
            Self::NotWhole { .. } | Self::Broken { .. } => "backup.damaged",
            Self::Backup(error) => error.code(),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Busy { .. } => ErrorClass::Retry,
            Self::NoSnapshot { .. } => ErrorClass::Permanent,
            Self::Backup(error) => error.class(),
            Self::Target { fault, .. } => fault.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustic_core::ErrorKind;

    #[test]
    fn the_library_s_page_becomes_what_happened_without_advice_and_call_stack() {
        let inner =
            RusticError::new(ErrorKind::Cryptography, format!("{BROKEN}, MAC check failed."));
        let page = RusticError::with_source(
            ErrorKind::Internal,
            "error processing Pack:{pack}",
            inner.attach_error_code("C001"),
        );
        let why = told(&page.attach_context("pack", "8a45fc09").display_log());
        assert!(why.starts_with("error processing Pack:8a45fc09"), "{why}");
        assert!(why.contains("Data decryption failed, MAC check failed."), "{why}");
        for noise in ["rustic.cli.rs", STACK, "Message:", "RUST_BACKTRACE"] {
            assert!(!why.contains(noise), "{noise} in {why}");
        }
    }
}
