//! What can go wrong with the store.

use refit_names::{Coded, Digest, ErrorClass};
use sea_orm::DbErr;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no engine that the store knows.
    #[error("database URL begins with `{found}`, expected `sqlite:` or `postgres:`")]
    Url {
        /// The scheme that was found.
        found: String,
    },
    /// The database did not do it.
    #[error("failed to {what}")]
    Database {
        /// The deed.
        what: &'static str,
        /// Why.
        source: DbErr,
    },
    /// A stored value cannot be read.
    #[error("stored value in table `{table}`, row `{key}`, is not what this version writes")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The row exists already.
    #[error("{what} `{key}` exists already")]
    Exists {
        /// What the row is.
        what: &'static str,
        /// Its key.
        key: String,
    },
    /// There is no such row.
    #[error("{what} `{key}` does not exist")]
    Missing {
        /// What the row would be.
        what: &'static str,
        /// Its key.
        key: String,
    },
    /// Someone else changed the row since it was read.
    #[error("{what} `{key}` was changed by someone else, expected version {expected}")]
    Conflict {
        /// What the row is.
        what: &'static str,
        /// Its key.
        key: String,
        /// The version that the writer had read.
        expected: u64,
    },
    /// A hash chain does not fit.
    #[error("chain of `{chain}` is broken at {seq}: expected {expected}, found {found}")]
    ChainBroken {
        /// Whose chain.
        chain: String,
        /// Where.
        seq: u64,
        /// The hash that fits.
        expected: Digest,
        /// The hash that came.
        found: Digest,
    },
    /// A sequence has a gap.
    #[error("journal of `{host}` has a gap: expected entry {expected}, found {found}")]
    Gap {
        /// The host.
        host: String,
        /// The entry that is next.
        expected: u64,
        /// The entry that came.
        found: u64,
    },
}

impl Coded for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "store.unknown-engine",
            Self::Database { .. } => "store.database",
            Self::Damaged { .. } => "store.damaged-value",
            Self::Exists { .. } => "store.exists-already",
            Self::Missing { .. } => "store.missing",
            Self::Conflict { .. } => "store.conflict",
            Self::ChainBroken { .. } => "store.chain-broken",
            Self::Gap { .. } => "store.journal-gap",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::Database { .. } | Self::Conflict { .. } | Self::Gap { .. } => ErrorClass::Retry,
            Self::Url { .. } | Self::Exists { .. } | Self::Missing { .. } => {
                ErrorClass::NeedsOperator
            }
            Self::Damaged { .. } | Self::ChainBroken { .. } => ErrorClass::Permanent,
        }
    }
}

/// Says what was being done when the database failed.
pub(crate) fn during(what: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |source| StoreError::Database { what, source }
}
