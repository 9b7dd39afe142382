//! The server's durable truth: one module per table, on SQLite and PostgreSQL through one code path.
//!
//! Here: tables, their rules (atomic redemption, hash chains, optimistic locks, immutability) and migrations.
//! Deliberately not here: deciding anything (`1-core`), who may do what (`4-programs/server`).
//! Called by: server.
//!
//! Invariants:
//! 1. What differs between the two engines is in `dialect`, nowhere else.
//! 2. A one-time token is redeemed once, also when two ask at the same moment.
//! 3. Journal copies and the audit log are hash chains: a gap or a changed entry is an error, never stored.
//! 4. Plans and final certificates are inserted and never updated.
//! 5. Times are milliseconds since 1970 in UTC, structured values are JSON text.

pub mod audit;
pub mod backups;
pub mod certificates;
mod dialect;
pub mod enrolment;
mod error;
pub mod fleet;
pub mod hosts;
pub mod issued;
pub mod journal;
mod migration;
pub mod notify;
pub mod plans;
pub mod questions;
pub mod reports;
pub mod risk;
pub mod rollouts;
pub mod run_times;
pub mod runbook_tests;
pub mod settings;
pub mod signatures;
mod text;
pub mod users;
pub mod windows;

pub use dialect::Engine;
pub use error::StoreError;

use error::during;
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use sea_orm_migration::MigratorTrait as _;
use std::sync::Arc;

/// The open database.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    read: DatabaseConnection,
    write: DatabaseConnection,
    plans: Arc<plans::Kept>,
}

impl Store {
    /// Opens the database at `url` (`sqlite://FILE` or `postgres://…`), makes it if it is a missing file, and brings
    /// its tables to this version.
    ///
    /// # Errors
    /// [`StoreError::Url`] for another engine, [`StoreError::Database`] when it cannot be opened or migrated.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let engine = Engine::of(url)?;
        let (read, write) = dialect::connect(engine, url).await?;
        migration::Migrator::up(&write, None)
            .await
            .map_err(during("bring the tables up to date"))?;
        Ok(Self { engine, read, write, plans: Arc::default() })
    }

    /// The engine behind it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Database`] when there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read.ping().await.map_err(during("ping the database"))
    }

    /// Closes all connections.
    pub async fn close(self) {
        for connection in [self.read, self.write] {
            if let Err(error) = connection.close().await {
                tracing::warn!(
                    error = refit_names::chain(&error),
                    "database connection did not close cleanly"
                );
            }
        }
    }

    /// Begins a transaction that will write: on SQLite it takes the write lock at once.
    async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        dialect::begin(self.engine, &self.write).await
    }
}
