//! SQLite databases: a copy that stands alone, without a log beside it.

use crate::{
    Quiet,
    error::BackupError,
    files::{self, clone_or_copy, measure},
    manifest::{SavedDatabase, SavedNode, SavedPath},
};
use refit_names::Digest;
use rusqlite::{Connection, OpenFlags, backup::Backup};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What SQLite keeps beside a database file.
pub(crate) const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// `path` with `suffix` at its end.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Sqlite { what, path, source }
}

/// Saves `live` as the file `copy`.
pub(crate) fn save(
    root: &Path,
    live: &Path,
    copy: &Path,
    product_is: Quiet,
) -> Result<SavedDatabase, BackupError> {
    let Ok(seen) = fs::metadata(live) else {
        let path = live.strip_prefix(root).unwrap_or(live).display().to_string();
        return Ok(SavedDatabase::Absent { path });
    };
    match product_is {
        Quiet::Stopped => copy_files(live, copy)?,
        Quiet::Running => copy_pages(live, copy)?,
    }
    let schema = schema(copy)?;
    let handle = fs::File::open(copy).map_err(BackupError::io("open", copy))?;
    handle.sync_all().map_err(BackupError::io("write to disk", copy))?;
    let (size, digest) = measure(copy)?;
    let file: SavedPath = files::describe(root, live, &seen, SavedNode::File { size, digest })?;
    Ok(SavedDatabase::Sqlite { file, schema })
}

/// Nobody writes: the files as they lie are the database. The live one is not opened, so nothing about it changes.
fn copy_files(live: &Path, copy: &Path) -> Result<(), BackupError> {
    clone_or_copy(live, copy)?;
    for suffix in ["-wal", "-journal"] {
        let companion = beside(live, suffix);
        if companion.exists() {
            clone_or_copy(&companion, &beside(copy, suffix))?;
        }
    }
    let opened = Connection::open(copy).map_err(failed("open the copy of", copy))?;
    // Brings the log, if there is one, into the file and removes it when the connection closes.
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    opened.query_row(checkpoint, [], |_| Ok(())).map_err(failed("read the log of", copy))?;
    opened.close().map_err(|(_, source)| failed("close the copy of", copy)(source))?;
    for suffix in COMPANIONS {
        let companion = beside(copy, suffix);
        if companion.exists() {
            fs::remove_file(&companion).map_err(BackupError::io("remove", &companion))?;
        }
    }
    Ok(())
}

/// Somebody may write: SQLite's own online backup gives one moment.
fn copy_pages(live: &Path, copy: &Path) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(live, flags).map_err(failed("open", live))?;
    source.busy_timeout(Duration::from_secs(10)).map_err(failed("open", live))?;
    let mut target = Connection::open(copy).map_err(failed("create the copy of", copy))?;
    let backup = Backup::new(&source, &mut target).map_err(failed("start the backup of", live))?;
    // All pages at once: under one read lock, so that writers cannot make it start again and again.
    backup
        .run_to_completion(i32::MAX, Duration::from_millis(20), None)
        .map_err(failed("copy", live))
}

/// Opens a copy that nobody writes, without leaving files beside it.
fn open_sealed(copy: &Path) -> Result<Connection, BackupError> {
    let escaped: String = (copy.to_string_lossy().chars())
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            plain => plain.to_string(),
        })
        .collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
        .map_err(failed("open the copy of", copy))
}

fn schema(copy: &Path) -> Result<Digest, BackupError> {
    let opened = open_sealed(copy)?;
    let read = || -> rusqlite::Result<String> {
        let mut query =
            opened.prepare("SELECT coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")?;
        let lines = query.query_map([], |row| row.get::<_, String>(0))?;
        Ok(lines.collect::<rusqlite::Result<Vec<_>>>()?.join("\n"))
    };
    Ok(Digest::of(read().map_err(failed("read the schema of", copy))?.as_bytes()))
}

/// Reads every page of the copy and checks what SQLite can check.
pub(crate) fn check(copy: &Path) -> Result<(), BackupError> {
    let opened = open_sealed(copy)?;
    let found: String = opened
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed("check the copy of", copy))?;
    if found == "ok" {
        return Ok(());
    }
    Err(BackupError::Damaged {
        path: copy.to_owned(),
        expected: "a whole database".to_owned(),
        found,
    })
}

/// How many tables a copy has.
pub(crate) fn tables(copy: &Path) -> Result<u64, BackupError> {
    let count = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    let found = open_sealed(copy)?.query_row(count, [], |row| row.get::<_, u32>(0));
    found.map(u64::from).map_err(failed("count the tables of", copy))
}

/// Puts the copy back at its live place, with nothing of the newer log beside it.
pub(crate) fn put_back(copy: &Path, live: &Path, saved: &SavedPath) -> Result<(), BackupError> {
    let fresh = beside(live, ".refit-restore");
    if fresh.exists() {
        fs::remove_file(&fresh).map_err(BackupError::io("remove", &fresh))?;
    }
    if let Some(folder) = live.parent() {
        files::make_folder(folder)?;
    }
    let (_, found) = clone_or_copy(copy, &fresh)?;
    if let SavedNode::File { digest, .. } = &saved.node
        && *digest != found
    {
        return Err(BackupError::digest(copy, *digest, found));
    }
    files::set_rights(&fresh, saved)?;
    // The log goes first: beside the old file it would be played into the restored one.
    remove_companions(live)?;
    fs::rename(&fresh, live).map_err(BackupError::io("put back", live))?;
    sync_parent(live)
}

/// Takes the database away; the caller kept it.
pub(crate) fn remove(live: &Path) -> Result<(), BackupError> {
    remove_companions(live)?;
    if live.exists() {
        fs::remove_file(live).map_err(BackupError::io("remove", live))?;
        sync_parent(live)?;
    }
    Ok(())
}

fn remove_companions(live: &Path) -> Result<(), BackupError> {
    for suffix in COMPANIONS {
        let companion = beside(live, suffix);
        if companion.exists() {
            fs::remove_file(&companion).map_err(BackupError::io("remove", &companion))?;
        }
    }
    sync_parent(live)
}

fn sync_parent(path: &Path) -> Result<(), BackupError> {
    path.parent().filter(|folder| folder.is_dir()).map_or(Ok(()), files::sync_folder)
}
