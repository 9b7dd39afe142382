//! Why a medium is not written or not believed.

use crate::RepositoryError;
use refit_names::{ByteSize, Coded, ErrorClass};
use refit_packs::catalog::PathError;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Faults that are shown; a stick that was pulled out has thousands.
const SHOWN_MAX: usize = 50;

/// Why a medium is not written or not believed.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// The folder was never a medium.
    #[error("{} is not a medium: {why}", path.display())]
    NotAMedium {
        /// The folder.
        path: PathBuf,
        /// How it can be seen.
        why: String,
    },
    /// Files are missing, damaged or foreign; nothing was copied.
    #[error("medium {} has {}, nothing was copied: {}", path.display(), refit_names::counted(faults.len(), "fault"), shown(faults))]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// A line for each file.
        faults: Vec<String>,
    },
    /// The folder holds something else.
    #[error("{} is not empty and no medium, expected an empty folder or a medium to go on with", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The volume is too small.
    #[error("volume of {} has {free} free, {needed} are needed; nothing was copied", path.display())]
    NoSpace {
        /// Where.
        path: PathBuf,
        /// Bytes to copy.
        needed: ByteSize,
        /// Bytes that are free.
        free: ByteSize,
    },
    /// The choice leads nowhere.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The repository or its metadata.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The file system refused.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl MediumError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn shown(faults: &[String]) -> String {
    let some = faults.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    match faults.len().saturating_sub(SHOWN_MAX) {
        0 => some,
        more => format!("{some}; and {more} more"),
    }
}

impl Coded for MediumError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAMedium { .. } => "medium.not-a-medium",
            Self::Damaged { .. } => "medium.damaged",
            Self::NotEmpty { .. } => "medium.not-empty",
            Self::NoSpace { .. } => "medium.no-space",
            Self::Path(error) => error.code(),
            Self::Repository(error) => error.code(),
            Self::Io { .. } => "medium.file-system",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::Repository(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}
