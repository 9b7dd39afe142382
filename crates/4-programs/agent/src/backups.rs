//! Backups outside an upgrade: taken, kept, proven and brought back, by schedule, by request of the server, or by a person on the host.
//!
//! All of it blocks: whoever calls from the running agent does so on a thread of its own.

mod aside;
pub(crate) mod command;
mod notes;
mod place;
mod room;
mod schedule;
pub(crate) mod work;

use refit_host::error::StepError;
use refit_names::{Coded, ErrorClass, ProductName};
use refit_vault::VaultError;
use std::{io, path::PathBuf};

pub(crate) use notes::remember_verified;
pub use place::{BackupConfig, S3Config};
pub(crate) use room::{Room, Whose, known_unit, remember_unit};

/// Why a backup was not taken, proven or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupsError {
    /// The agent does not look after such a product.
    #[error("product `{product}` is not in the agent's configuration, expected one of {known}")]
    NoProduct {
        /// What was asked for.
        product: ProductName,
        /// What there is.
        known: String,
    },
    /// Nobody said what belongs to the product.
    #[error(
        "nothing says what belongs to product `{product}`: no order was carried out here yet, and agent.toml has no [product.unit] for it"
    )]
    NoUnit {
        /// Which product.
        product: ProductName,
    },
    /// There is no repository to speak of.
    #[error("agent.toml has no [backup] with a repository, expected one for this")]
    NoRepository,
    /// The place of the repository cannot be right.
    #[error("repository `{target}` in [backup] of agent.toml: {why}")]
    BadTarget {
        /// As it stands there.
        target: String,
        /// What was expected.
        why: &'static str,
    },
    /// Something secret is nowhere.
    #[error(
        "{what} is missing, expected a file that `{key}` in agent.toml names, a credential `{credential}` of the systemd unit, or the variable {variable}"
    )]
    NoSecret {
        /// What it opens.
        what: &'static str,
        /// The key of the configuration.
        key: &'static str,
        /// The name among systemd's credentials.
        credential: &'static str,
        /// The environment's variable.
        variable: &'static str,
    },
    /// No such backup.
    #[error(
        "there is no backup `{backup}` of product `{product}` on this host or in its repository"
    )]
    NoBackup {
        /// What was asked for.
        backup: String,
        /// Of which product.
        product: ProductName,
    },
    /// No restore replaced anything of that name.
    #[error(
        "nothing of product `{product}` is kept aside as `{id}`, expected a name that `refit-agent backup aside` lists"
    )]
    NothingAside {
        /// What was asked for.
        id: String,
        /// Of which product.
        product: ProductName,
    },
    /// A person thought better of it.
    #[error("`{what}` was not {done}: the answer was not `yes`")]
    NotConfirmed {
        /// Which.
        what: String,
        /// What would have been done with it.
        done: &'static str,
    },
    /// The product.
    #[error(transparent)]
    Host(#[from] StepError),
    /// The repository.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The file system refused.
    #[error("failed to {action} {}", path.display())]
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

impl BackupsError {
    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl From<refit_backup::BackupError> for BackupsError {
    fn from(error: refit_backup::BackupError) -> Self {
        Self::Host(error.into())
    }
}

impl Coded for BackupsError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoProduct { .. } => "backup.no-product",
            Self::NoUnit { .. } => "backup.no-unit",
            Self::NoRepository => "backup.no-repository",
            Self::BadTarget { .. } => "backup.bad-target",
            Self::NoSecret { .. } => "backup.no-secret",
            Self::NoBackup { .. } => "backup.no-snapshot",
            Self::NothingAside { .. } => "backup.nothing-aside",
            Self::NotConfirmed { .. } => "backup.not-confirmed",
            Self::Host(error) => error.code(),
            Self::Vault(error) => error.code(),
            Self::Io { .. } => "agent.file-system",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Host(error) => error.class(),
            Self::Vault(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}
