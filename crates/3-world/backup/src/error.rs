//! What can go wrong with a backup.

use refit_names::{Coded, Digest, ErrorClass};
use std::path::{Path, PathBuf};

/// Why a unit was not saved, not read back or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
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
    /// A file's name is no text, so that no manifest can hold it.
    #[error("the name of {} is not UTF-8, expected names that a manifest can hold", path.display())]
    Name {
        /// Which file.
        path: PathBuf,
    },
    /// A program is not installed.
    #[error("program `{tool}` was not found in PATH, it is needed to save and restore databases")]
    ToolMissing {
        /// Which.
        tool: String,
    },
    /// A connection string is not one.
    #[error(
        "the connection string of database `{database}` is not one: expected {expected}, found {found}"
    )]
    Login {
        /// Of which database.
        database: String,
        /// Its form.
        expected: &'static str,
        /// What is wrong with it; never the string itself.
        found: String,
    },
    /// A program failed.
    #[error("`{tool}` for database `{database}` ended with {status}: {stderr}")]
    Tool {
        /// Which.
        tool: &'static str,
        /// For which database.
        database: String,
        /// Its exit status.
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// A program took too long.
    #[error("`{tool}` for database `{database}` did not end within {limit_ms} ms")]
    TimedOut {
        /// Which.
        tool: &'static str,
        /// For which database.
        database: String,
        /// Its limit.
        limit_ms: u128,
    },
    /// SQLite refused.
    #[error("failed to {what} SQLite database {}", path.display())]
    Sqlite {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// What lies on disk is not what was saved.
    #[error("{} has {found}, expected {expected}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The manifest cannot be read.
    #[error("backup manifest {} is not readable", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The folder is not a sealed backup.
    #[error("{} is not a sealed backup", path.display())]
    NotSealed {
        /// Which folder.
        path: PathBuf,
    },
    /// The backup is of something else.
    #[error("backup is of {what} `{found}`, expected `{expected}`")]
    Foreign {
        /// What differs.
        what: &'static str,
        /// What the place is.
        expected: String,
        /// What the backup is of.
        found: String,
    },
}

impl BackupError {
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<'a> {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    pub(crate) fn digest(path: &Path, expected: Digest, found: Digest) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Self::Damaged { path: path.to_owned(), expected, found }
    }
}

impl Coded for BackupError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if is_full(source) => "backup.target-full",
            Self::Sqlite { source, .. } if is_full_for_sqlite(source) => "backup.target-full",
            Self::Io { .. } | Self::Name { .. } | Self::Sqlite { .. } => "backup.failed",
            Self::ToolMissing { .. } => "backup.tool-missing",
            Self::Login { .. } => "backup.bad-login",
            Self::Tool { .. } | Self::TimedOut { .. } => "backup.database-tool-failed",
            Self::Damaged { .. } | Self::Manifest { .. } => "backup.damaged",
            Self::NotSealed { .. } => "backup.not-sealed",
            Self::Foreign { .. } => "backup.foreign",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::TimedOut { .. } => ErrorClass::Retry,
            Self::Foreign { .. } => ErrorClass::Permanent,
            _ => ErrorClass::NeedsOperator,
        }
    }
}

fn is_full_for_sqlite(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

/// Whether a disk or a quota is full.
#[must_use]
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
