//! The journal on disk: one per host, appended by one agent. SQLite in WAL mode with full synchronisation.

mod reserve;

use refit_journal::{Entry, EntryBody, verify_chain};
use refit_names::{BuildId, Digest, ProductName, StepId};
use refit_plan::OrderKey;
use rusqlite::{Connection, OptionalExtension, params};
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use crate::error::JournalError;
use reserve::Reserve;

/// Where steps are written down before and after they are done.
pub trait StepLog: Send + Sync {
    /// Appends an entry; when it returns, the entry survives a power loss.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    fn append(
        &self,
        order: &OrderKey,
        body: EntryBody,
        at: jiff::Timestamp,
    ) -> Result<Entry, JournalError>;
    /// All entries of an order, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    fn entries(&self, order: &OrderKey) -> Result<Vec<Entry>, JournalError>;
    /// Keeps a former state of the host under `key`, unless one is kept already: what was seen first is what counts.
    /// The answer is what is kept.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    fn remember(&self, order: &OrderKey, key: &str, value: &str) -> Result<String, JournalError>;
    /// What is kept under `key`.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    fn recall(&self, order: &OrderKey, key: &str) -> Result<Option<String>, JournalError>;
    /// Keeps a build away from this host until a person clears it.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    fn quarantine(
        &self,
        product: &ProductName,
        build: &BuildId,
        because: &str,
    ) -> Result<(), JournalError>;
    /// Builds of `product` that are kept away, with the cause.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    fn quarantined(&self, product: &ProductName)
    -> Result<BTreeMap<BuildId, String>, JournalError>;
    /// How long steps took whenever they were done in orders of a product, in milliseconds, the latest first.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    fn step_times(&self, product: &str) -> Result<BTreeMap<StepId, Vec<u64>>, JournalError> {
        let _ = product;
        Ok(BTreeMap::new())
    }
}

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, rollout TEXT NOT NULL, generation INTEGER NOT NULL,
  hash TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS entry_order ON entry (rollout, generation);
CREATE TABLE IF NOT EXISTS kept (rollout TEXT NOT NULL, generation INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (rollout, generation, key)) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (product TEXT NOT NULL, build TEXT NOT NULL, because TEXT NOT NULL,
  PRIMARY KEY (product, build)) STRICT;
";

/// Steps whose times are looked at: those of some dozens of the latest orders.
const TIMES_MAX: i64 = 1_000;
/// Support may look with its own tools; it must not make an append fail.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// The journal in `STATE/journal.db`. Holds the lock of the state folder: there is one agent per host.
pub struct Journal {
    path: PathBuf,
    database: Mutex<Connection>,
    reserve: Reserve,
    _lock: File,
}

impl Journal {
    /// Opens or makes it, takes the lock, and checks the chain.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another agent runs; [`JournalError::Broken`] when an entry was altered.
    pub fn open(state: &Path) -> Result<Self, JournalError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { what, path, source }
        };
        fs::create_dir_all(state).map_err(io("make folder", state))?;
        let lock = lock(state)?;
        let path = state.join("journal.db");
        let reserve = Reserve::of(state);
        let opened = match connect(&path) {
            Err(error) if reserve.helps(&error) => connect(&path),
            opened => opened,
        };
        let database = Mutex::new(opened.map_err(|source| broke("open", &path, &reserve, source))?);
        reserve.fill();
        // A new file's name must survive a power loss too.
        let folder = File::open(state).and_then(|folder| folder.sync_all());
        folder.map_err(io("write folder to disk", state))?;
        let journal = Self { path, database, reserve, _lock: lock };
        let all = journal.after(0, usize::MAX)?;
        verify_chain(&all)
            .map_err(|source| JournalError::Broken { path: journal.path.clone(), source })?;
        Ok(journal)
    }

    /// Takes the room for the way back again, once there is some: a full volume made the journal give it up.
    pub fn keep_room(&self) {
        self.reserve.fill();
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves the connection as whole as a crash would: every write is one transaction.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalError {
        move |source| broke(what, &self.path, &self.reserve, source)
    }

    /// Writes; where the volume is full, into the room that was kept for it.
    fn write(
        &self,
        what: &'static str,
        database: &Connection,
        change: &str,
        row: impl rusqlite::Params + Clone,
    ) -> Result<usize, JournalError> {
        let write = |row| database.prepare_cached(change)?.execute(row);
        let done = match write(row.clone()) {
            Err(error) if self.reserve.helps(&error) => write(row),
            done => done,
        };
        done.map_err(self.failed(what))
    }

    /// Entries after `seq`, oldest first, at most `limit`: what the server has not acknowledged.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = "SELECT seq, body FROM entry WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        self.read(query, params![signed(seq), limit])
    }

    /// The number of the newest entry; 0 when there is none.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn newest(&self) -> Result<u64, JournalError> {
        let query = "SELECT coalesce(max(seq), 0) FROM entry";
        self.database().query_row(query, [], number).map_err(self.failed("read"))
    }

    fn read(&self, query: &str, values: impl rusqlite::Params) -> Result<Vec<Entry>, JournalError> {
        let texts = || -> rusqlite::Result<Vec<(u64, String)>> {
            let database = self.database();
            let mut query = database.prepare_cached(query)?;
            query.query_map(values, |row| Ok((number(row)?, row.get(1)?)))?.collect()
        };
        let parse = |(seq, text): (u64, String)| {
            serde_json::from_str(&text).map_err(|source| JournalError::Text { seq, source })
        };
        texts().map_err(self.failed("read"))?.into_iter().map(parse).collect()
    }

    /// Lets a build come again.
    ///
    /// # Errors
    /// [`JournalError`] when it could not be made durable.
    pub fn clear_quarantine(
        &self,
        product: &ProductName,
        build: &BuildId,
    ) -> Result<(), JournalError> {
        let delete = "DELETE FROM quarantine WHERE product = ?1 AND build = ?2";
        self.write("write", &self.database(), delete, [product.as_str(), build.as_str()]).map(drop)
    }

    fn last(&self, database: &Connection) -> Result<Option<(u64, Digest)>, JournalError> {
        let query = "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1";
        let newest = || {
            let mut query = database.prepare_cached(query)?;
            query.query_row([], |row| Ok((number(row)?, row.get::<_, String>(1)?))).optional()
        };
        let row = newest().map_err(self.failed("read"))?;
        let Some((seq, hash)) = row else { return Ok(None) };
        let hash = Digest::parse(&hash)
            .map_err(|error| JournalError::Text { seq, source: serde::de::Error::custom(error) })?;
        Ok(Some((seq, hash)))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.busy_timeout(BUSY_WAIT)?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", "full")?;
    database.execute_batch(TABLES)?;
    Ok(database)
}

fn broke(
    what: &'static str,
    path: &Path,
    reserve: &Reserve,
    source: rusqlite::Error,
) -> JournalError {
    let path = path.to_owned();
    if reserve.is_full(&source) {
        return JournalError::Full { what, path, source };
    }
    JournalError::Storage { what, path, source }
}

/// SQLite's numbers are signed; no host writes so many entries that it matters.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &rusqlite::Row<'_>) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default())
}

fn lock(state: &Path) -> Result<File, JournalError> {
    let path = state.join("agent.lock");
    let io = |what| {
        let path = path.clone();
        move |source| JournalError::Io { what, path, source }
    };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(io("open"))?;
    if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(io("lock")(error.into()));
        }
        let mut pid = String::new();
        file.read_to_string(&mut pid).map_err(io("read"))?;
        return Err(JournalError::Locked { state: state.to_owned(), pid: pid.trim().to_owned() });
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(io("write"))?;
    Ok(file)
}

impl StepLog for Journal {
    fn append(
        &self,
        order: &OrderKey,
        body: EntryBody,
        at: jiff::Timestamp,
    ) -> Result<Entry, JournalError> {
        let database = self.database();
        let entry = Entry::new(self.last(&database)?, at, order.clone(), body)?;
        let text = serde_json::to_string(&entry)
            .map_err(|source| JournalError::Text { seq: entry.seq, source })?;
        let insert =
            "INSERT INTO entry (seq, rollout, generation, hash, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let hash = entry.hash.to_string();
        let row = params![
            signed(entry.seq),
            order.rollout.as_str(),
            signed(order.generation.0),
            hash,
            text
        ];
        self.write("append to", &database, insert, row)?;
        Ok(entry)
    }

    fn entries(&self, order: &OrderKey) -> Result<Vec<Entry>, JournalError> {
        let query =
            "SELECT seq, body FROM entry WHERE rollout = ?1 AND generation = ?2 ORDER BY seq";
        self.read(query, params![order.rollout.as_str(), signed(order.generation.0)])
    }

    fn remember(&self, order: &OrderKey, key: &str, value: &str) -> Result<String, JournalError> {
        let insert = "INSERT INTO kept (rollout, generation, key, value) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let row = params![order.rollout.as_str(), signed(order.generation.0), key, value];
        self.write("write", &self.database(), insert, row)?;
        Ok(self.recall(order, key)?.unwrap_or_else(|| value.to_owned()))
    }

    fn recall(&self, order: &OrderKey, key: &str) -> Result<Option<String>, JournalError> {
        let query = "SELECT value FROM kept WHERE rollout = ?1 AND generation = ?2 AND key = ?3";
        let row = params![order.rollout.as_str(), signed(order.generation.0), key];
        let find = || {
            let database = self.database();
            let mut query = database.prepare_cached(query)?;
            query.query_row(row, |row| row.get(0)).optional()
        };
        find().map_err(self.failed("read"))
    }

    fn quarantine(
        &self,
        product: &ProductName,
        build: &BuildId,
        because: &str,
    ) -> Result<(), JournalError> {
        let insert = "INSERT INTO quarantine (product, build, because) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET because = excluded.because";
        let row = [product.as_str(), build.as_str(), because];
        self.write("write", &self.database(), insert, row).map(drop)
    }

    fn quarantined(
        &self,
        product: &ProductName,
    ) -> Result<BTreeMap<BuildId, String>, JournalError> {
        let rows = || -> rusqlite::Result<Vec<(String, String)>> {
            let database = self.database();
            let mut query =
                database.prepare("SELECT build, because FROM quarantine WHERE product = ?1")?;
            query.query_map([product.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let rows = rows().map_err(self.failed("read"))?;
        Ok(rows.into_iter().filter_map(|(b, why)| Some((BuildId::parse(b).ok()?, why))).collect())
    }

    fn step_times(&self, product: &str) -> Result<BTreeMap<StepId, Vec<u64>>, JournalError> {
        let query = "SELECT json_extract(entry.body, '$.body.step'), json_extract(entry.body, '$.body.took_ms') FROM entry
            JOIN kept ON kept.rollout = entry.rollout AND kept.generation = entry.generation
              AND kept.key = 'product' AND kept.value = ?1
            WHERE json_extract(entry.body, '$.body.type') = 'outcome'
              AND json_extract(entry.body, '$.body.verb') = 'apply'
              AND json_extract(entry.body, '$.body.result.type') = 'done'
            ORDER BY entry.seq DESC LIMIT ?2";
        let times = || -> rusqlite::Result<Vec<(String, i64)>> {
            let database = self.database();
            let mut query = database.prepare(query)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            query.query_map(params![product, TIMES_MAX], row)?.collect()
        };
        let mut steps: BTreeMap<StepId, Vec<u64>> = BTreeMap::new();
        for (step, took) in times().map_err(self.failed("read"))? {
            let (Ok(step), Ok(took)) = (StepId::parse(step), u64::try_from(took)) else { continue };
            steps.entry(step).or_default().push(took);
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use refit_journal::{StepResult, Verb};
    use refit_names::Generation;

    #[test]
    fn times_of_steps_are_those_of_one_product_that_were_done_the_latest_first() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        let note = || StepResult::Done { note: String::new() };
        let passed_over = StepResult::NotNeeded { note: String::new() };
        for (rollout, product, step, verb, result, took_ms) in [
            ("spring", "ledger", "stop", Verb::Apply, note(), 10),
            ("spring", "ledger", "stop", Verb::Undo, note(), 11),
            ("summer", "ledger", "stop", Verb::Apply, note(), 30),
            ("summer", "ledger", "stop", Verb::Apply, passed_over, 31),
            ("summer", "ledger", "start", Verb::Apply, note(), 40),
            ("autumn", "mail", "stop", Verb::Apply, note(), 50),
        ] {
            let key = OrderKey { rollout: rollout.parse().unwrap(), generation: Generation::FIRST };
            journal.remember(&key, "product", product).unwrap();
            let step = step.parse().unwrap();
            let body = EntryBody::Outcome { leg: 0, step, verb, result, took_ms };
            journal.append(&key, body, Timestamp::UNIX_EPOCH).unwrap();
        }
        let times = journal.step_times("ledger").unwrap();
        let expected: [(StepId, Vec<u64>); 2] =
            [("start".parse().unwrap(), vec![40]), ("stop".parse().unwrap(), vec![30, 10])];
        assert_eq!(times, BTreeMap::from(expected));
    }
}
