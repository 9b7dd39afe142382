//! All that differs between SQLite and PostgreSQL: how to connect, how to begin writing, how appends are serialised.

use crate::error::{StoreError, during};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use std::time::Duration;

/// Connections that read: more than the cores of a usual server bring nothing.
const READERS: u32 = 8;
/// Writers of PostgreSQL; SQLite has one by nature.
const POSTGRES_WRITERS: u32 = 4;
/// How long a writer of another process may hold the lock: longer than any of our transactions.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a connection: a request waits at most this long before it is told so.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// Names the advisory lock under which chains grow on PostgreSQL.
const CHAIN_LOCK: i64 = 0x5245_4649;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file beside the server.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// Reads it from the URL's scheme.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        match url.split(':').next().unwrap_or_default() {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            found => Err(StoreError::Url { found: found.to_owned() }),
        }
    }
}

/// Opens the connections that read and those that write.
pub(crate) async fn connect(
    engine: Engine,
    url: &str,
) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    let writers = match engine {
        Engine::Sqlite => 1,
        Engine::Postgres => POSTGRES_WRITERS,
    };
    // The writer first: on SQLite it makes the file and switches it to write-ahead logging.
    let write = open(url, writers).await?;
    let read = open(url, READERS).await?;
    Ok((read, write))
}

async fn open(url: &str, connections: u32) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
        });
    Database::connect(options).await.map_err(during("connect to the database"))
}

/// Begins a transaction that writes. SQLite takes its lock now, so that no later statement finds it taken.
pub(crate) async fn begin(
    engine: Engine,
    write: &DatabaseConnection,
) -> Result<DatabaseTransaction, StoreError> {
    let sqlite_transaction_mode = match engine {
        Engine::Sqlite => Some(SqliteTransactionMode::Immediate),
        Engine::Postgres => None,
    };
    let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
    write.begin_with_options(options).await.map_err(during("begin a transaction"))
}

/// Lets only one transaction at a time append to a chain, until it ends.
pub(crate) async fn lock_chains(
    engine: Engine,
    transaction: &DatabaseTransaction,
) -> Result<(), StoreError> {
    if engine == Engine::Sqlite {
        return Ok(());
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_advisory_xact_lock($1)",
        [CHAIN_LOCK.into()],
    );
    transaction.execute_raw(statement).await.map_err(during("lock the chains"))?;
    Ok(())
}
