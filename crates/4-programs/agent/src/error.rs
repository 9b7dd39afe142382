//! Why the agent cannot start or go on.

use crate::{config::ConfigError, orders::OrderStoreError};
use refit_client::ClientError;
use refit_host::journal::JournalError;
use refit_names::{Coded, ErrorClass};
use refit_repository::RepositoryError;
use std::{io, path::PathBuf};

/// Why the agent cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server or the identity.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The pinned root.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Orders on disk.
    #[error(transparent)]
    Orders(#[from] OrderStoreError),
    /// Backups.
    #[error(transparent)]
    Backups(#[from] crate::backups::BackupsError),
    /// A preflight.
    #[error(transparent)]
    Preflight(#[from] crate::preflight::PreflightError),
    /// Dry runs.
    #[error(transparent)]
    Rehearsal(#[from] crate::rehearse::RehearsalError),
    /// Adopting and removing builds.
    #[error(transparent)]
    Removal(#[from] crate::removal::RemovalError),
    /// The file system refused.
    #[error("failed to {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl AgentError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// The number in the documented list of exit codes.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::Unreachable { .. }) => 5,
            Self::Client(ClientError::CertificateRefused { .. }) => 4,
            Self::Client(ClientError::Problem(problem)) if matches!(problem.status, 401 | 403) => 4,
            Self::Client(ClientError::ServerNotTrusted { .. }) => 9,
            Self::Backups(error) => match error.code() {
                "backup.damaged" => 9,
                "backup.no-snapshot" | "backup.no-product" | "backup.nothing-aside" => 3,
                "host.product-busy" | "backup.repository-busy" | "host.release-gone" => 7,
                _ => 1,
            },
            Self::Rehearsal(error) => error.exit_code(),
            Self::Preflight(error) => error.exit_code(),
            Self::Removal(error) => error.exit_code(),
            _ => 1,
        }
    }
}

impl Coded for AgentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Client(error) => error.code(),
            Self::Repository(error) => error.code(),
            Self::Journal(error) => error.code(),
            Self::Orders(error) => error.code(),
            Self::Backups(error) => error.code(),
            Self::Rehearsal(error) => error.code(),
            Self::Preflight(error) => error.code(),
            Self::Removal(error) => error.code(),
            Self::Io { .. } => "agent.file-system",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Config(error) => error.class(),
            Self::Client(error) => error.class(),
            Self::Repository(error) => error.class(),
            Self::Journal(error) => error.class(),
            Self::Orders(error) => error.class(),
            Self::Backups(error) => error.class(),
            Self::Rehearsal(error) => error.class(),
            Self::Preflight(error) => error.class(),
            Self::Removal(error) => error.class(),
            Self::Io { .. } => ErrorClass::NeedsOperator,
        }
    }
}
