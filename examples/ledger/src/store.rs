//! The database: schema, entries, sums.

use crate::{
    Build,
    layout::{Layout, Settings},
};
use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest wait for another connection, such as that of a backup.
const BUSY: Duration = Duration::from_secs(5);

/// One entry, as clients send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntry {
    /// Chosen by the client: makes sending it again harmless.
    pub(crate) id: String,
    /// Whose.
    pub(crate) account: String,
    /// In cents.
    pub(crate) amount: i64,
}

/// What became of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is stored; maybe it was before.
    Stored,
    /// Another entry has this id.
    Conflict,
    /// The schema's rules refuse it.
    Refused(String),
}

/// The open database.
pub(crate) struct Store {
    connection: Connection,
    schema: u32,
}

impl Store {
    /// Opens the database for `build`; a new one is made where there is none.
    pub(crate) fn open(build: &Build, layout: &Layout) -> Result<Self> {
        let path = layout.database();
        let settings = layout.settings()?;
        let connection = open_file(layout)?;
        match (schema_of(&connection)?, settings) {
            (0, None) => create(&connection, build, layout)?,
            (0, Some(_)) => bail!("{} is empty but there are settings for it", path.display()),
            (found, _) if found != build.schema => bail!(
                "{} has schema {found}, build {} works with schema {} only",
                path.display(),
                build.name,
                build.schema
            ),
            (found, Some(settings)) if settings.schema == found => {}
            (found, settings) => bail!(
                "{} has schema {found}, its settings are for schema {}",
                path.display(),
                settings.map_or(0, |settings| settings.schema)
            ),
        }
        Ok(Self { connection, schema: build.schema })
    }

    /// The schema.
    pub(crate) const fn schema(&self) -> u32 {
        self.schema
    }

    /// Stores an entry; when this returns [`Added::Stored`], it is on the disk.
    pub(crate) fn add(&mut self, entry: &NewEntry) -> Result<Added> {
        let transaction = self.connection.transaction()?;
        if self.schema >= 2 {
            let account = transaction
                .query_row(
                    "SELECT name FROM accounts WHERE folded = lower(?1)",
                    [&entry.account],
                    |row| row.get::<_, String>(0),
                )
                .optional()?;
            match account {
                Some(name) if name != entry.account => {
                    return Ok(Added::Refused(format!(
                        "account `{}` exists as `{name}`",
                        entry.account
                    )));
                }
                Some(_) => {}
                None => {
                    transaction.execute(
                        "INSERT INTO accounts (name, folded) VALUES (?1, lower(?1))",
                        [&entry.account],
                    )?;
                }
            }
        }
        let inserted = transaction.execute(
            "INSERT INTO entries (id, account, amount) VALUES (?1, ?2, ?3)",
            params![entry.id, entry.account, entry.amount],
        );
        match inserted {
            Ok(_) => transaction.commit().map(|()| Added::Stored).context("failed to commit"),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                drop(transaction);
                let found = self.get(&entry.id)?;
                Ok(if found.as_ref() == Some(entry) { Added::Stored } else { Added::Conflict })
            }
            Err(error) => Err(error).context("failed to insert the entry"),
        }
    }

    /// The entry with this id.
    pub(crate) fn get(&self, id: &str) -> Result<Option<NewEntry>> {
        let found = self.connection.query_row(
            "SELECT id, account, amount FROM entries WHERE id = ?1",
            [id],
            |row| Ok(NewEntry { id: row.get(0)?, account: row.get(1)?, amount: row.get(2)? }),
        );
        found.optional().context("failed to read the entry")
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> Result<i64> {
        Ok(self.connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?)
    }

    /// Account, number of entries, sum; by account.
    pub(crate) fn sums(&self) -> Result<Vec<(String, i64, i64)>> {
        let mut query = self.connection.prepare(
            "SELECT account, count(*), sum(amount) FROM entries GROUP BY account ORDER BY account",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The connection, for checks and migrations.
    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Moves everything into the main file, so that a stopped ledger is one file.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .context("failed to write the log back")
    }
}

/// Opens the file with the settings that durability needs.
pub(crate) fn open_file(layout: &Layout) -> Result<Connection> {
    let path = layout.database();
    let connection =
        Connection::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// 0 for a new file.
pub(crate) fn schema_of(connection: &Connection) -> Result<u32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn create(connection: &Connection, build: &Build, layout: &Layout) -> Result<()> {
    let accounts = if build.schema >= 2 { SCHEMA_2_ACCOUNTS } else { "" };
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE entries (
             seq INTEGER PRIMARY KEY AUTOINCREMENT,
             id TEXT NOT NULL UNIQUE,
             account TEXT NOT NULL,
             amount INTEGER NOT NULL
         );
         {accounts}
         PRAGMA user_version = {};",
        build.schema
    ))?;
    layout.write_settings(&Settings { schema: build.schema, currency: "EUR".to_owned() })?;
    connection.execute_batch("COMMIT").context("failed to create the database")
}

/// What schema 2 adds: accounts that are unique without regard to case.
pub(crate) const SCHEMA_2_ACCOUNTS: &str = "CREATE TABLE accounts (
    name TEXT PRIMARY KEY CHECK (length(trim(name)) > 0),
    folded TEXT NOT NULL UNIQUE
) WITHOUT ROWID;";
