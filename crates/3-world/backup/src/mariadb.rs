//! MariaDB and MySQL databases: a dump in one transaction, counted and hashed while it is produced; a restore that replaces the whole database.
//!
//! Its changes of tables are not part of transactions: a restore that is cut off leaves a half, and is done again from the start.

use crate::{
    UnitPlace,
    error::BackupError,
    manifest::SavedDatabase,
    tool::{Tool, all_tables, need},
};
use refit_names::ByteSize;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
    process::Command,
};
use url::Url;

/// Programs that saving and restoring needs.
pub const TOOLS: [&str; 2] = ["mariadb-dump", "mariadb"];
/// What every whole dump ends with.
const LAST_LINE: &[u8] = b"-- Dump completed";
/// The last line and the date behind it.
const TAIL_BYTES: u64 = 200;

/// Where a database is.
pub(crate) struct Login {
    pub(crate) database: String,
    pub(crate) options: Vec<String>,
    pub(crate) password: Option<String>,
}

/// Reads `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, with `?socket=PATH` for a socket.
pub(crate) fn login(name: &str, text: &str) -> Result<Login, BackupError> {
    let wrong = |found: &str| BackupError::Login {
        database: name.to_owned(),
        expected: "mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?socket=PATH]",
        found: found.to_owned(),
    };
    // Never the text itself: it holds a password.
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Err(wrong(&format!("the scheme `{}`", url.scheme())));
    }
    let database = url.path().trim_start_matches('/').to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
    if database.is_empty() || !database.chars().all(plain) {
        return Err(wrong(&format!("the database name `{database}`")));
    }
    let socket =
        url.query_pairs().find(|(key, _)| key == "socket").map(|(_, path)| path.into_owned());
    let mut options = vec!["--no-defaults".to_owned()];
    if !url.username().is_empty() {
        options.push(format!("--user={}", decoded(url.username())));
    }
    match (socket, url.host_str()) {
        (Some(socket), _) => options.push(format!("--socket={socket}")),
        (None, Some(host)) => {
            options.extend([format!("--host={host}"), "--protocol=tcp".to_owned()]);
            options.extend(url.port().map(|port| format!("--port={port}")));
        }
        (None, None) => {}
    }
    Ok(Login { database, options, password: url.password().map(decoded) })
}

fn decoded(text: &str) -> String {
    crate::postgres::percent_decoded(text)
}

fn command(tool: &Tool<'_>, login: &Login, place: &UnitPlace) -> Result<Command, BackupError> {
    let mut command = tool.command()?;
    command.args(&login.options).envs(&place.environment);
    if let Some(password) = &login.password {
        command.env("MYSQL_PWD", password);
    }
    Ok(command)
}

fn tool<'a>(name: &'static str, database: &'a str, place: &UnitPlace) -> Tool<'a> {
    Tool { name, database, limit: place.limit, run_as: place.run_as }
}

/// Dumps a database into `copy`.
pub(crate) fn save(
    name: &str,
    url: &str,
    copy: &Path,
    place: &UnitPlace,
) -> Result<SavedDatabase, BackupError> {
    need(&TOOLS)?;
    let login = login(name, url)?;
    let tool = tool("mariadb-dump", name, place);
    let mut command = command(&tool, &login, place)?;
    command.args(["--single-transaction", "--routines", "--triggers", "--events", "--hex-blob"]);
    command.args(["--add-drop-database", "--databases", &login.database]);
    let (size, digest) = tool.dump(&mut command, copy, &place.meter)?;
    check(copy)?;
    Ok(SavedDatabase::Mariadb { size, digest })
}

/// A dump that ends early lacks its last line.
pub(crate) fn check(copy: &Path) -> Result<(), BackupError> {
    let mut file = File::open(copy).map_err(BackupError::io("open", copy))?;
    let length = file.metadata().map_err(BackupError::io("look at", copy))?.len();
    let start = SeekFrom::Start(length.saturating_sub(TAIL_BYTES));
    file.seek(start).map_err(BackupError::io("read", copy))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(BackupError::io("read", copy))?;
    if tail.windows(LAST_LINE.len()).any(|part| part == LAST_LINE) {
        return Ok(());
    }
    Err(BackupError::Damaged {
        path: copy.to_owned(),
        expected: "a dump with its last line".to_owned(),
        found: format!("{} that end without it", ByteSize(length)),
    })
}

/// Replaces the whole database by the dump.
pub(crate) fn put_back(
    name: &str,
    url: &str,
    copy: &Path,
    place: &UnitPlace,
) -> Result<(), BackupError> {
    check(copy)?;
    let login = login(name, url)?;
    feed((name, &login), copy, None, place).map(drop)
}

/// Restores the dump into a database of its own on the same server, counts its tables, and takes it away again.
pub(crate) fn prove(
    (name, url): (&str, &str),
    copy: &Path,
    scratch: &Path,
    place: &UnitPlace,
) -> Result<u64, BackupError> {
    check(copy)?;
    let login = login(name, url)?;
    let proof = format!("refit_proof_{}", std::process::id());
    let script = scratch.join(format!("{name}.sql"));
    let expected = rewritten(copy, &script, &proof)?;
    let restored = feed((name, &login), &script, None, place);
    let counted = restored.and_then(|_| {
        let count = format!(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{proof}' AND table_type = 'BASE TABLE';"
        );
        say((name, &login), &count, scratch, place)
    });
    let dropped =
        say((name, &login), &format!("DROP DATABASE IF EXISTS `{proof}`;"), scratch, place);
    let (counted, _) = (counted?, dropped?);
    all_tables(copy, expected, &counted)
}

/// Writes the dump again for another database; how many tables it makes.
fn rewritten(copy: &Path, script: &Path, database: &str) -> Result<u64, BackupError> {
    let mut source = BufReader::new(File::open(copy).map_err(BackupError::io("open", copy))?);
    let target = File::create_new(script).map_err(BackupError::io("create", script))?;
    let mut target = std::io::BufWriter::new(target);
    let (mut line, mut tables, mut in_head) = (Vec::new(), 0, true);
    let mut write =
        |bytes: &[u8]| target.write_all(bytes).map_err(BackupError::io("write", script));
    loop {
        line.clear();
        if source.read_until(b'\n', &mut line).map_err(BackupError::io("read", copy))? == 0 {
            break;
        }
        if in_head && line.starts_with(b"USE `") {
            in_head = false;
            let first = format!(
                "DROP DATABASE IF EXISTS `{database}`;\nCREATE DATABASE `{database}`;\nUSE `{database}`;\n"
            );
            write(first.as_bytes())?;
        } else if !(in_head && line.windows(9).any(|part| part == b"DATABASE ")) {
            tables += u64::from(line.starts_with(b"CREATE TABLE "));
            write(&line)?;
        }
    }
    target.flush().map_err(BackupError::io("write", script))?;
    Ok(tables)
}

fn say(
    whom: (&str, &Login),
    words: &str,
    scratch: &Path,
    place: &UnitPlace,
) -> Result<String, BackupError> {
    let script = scratch.join("say.sql");
    fs::write(&script, words).map_err(BackupError::io("write", &script))?;
    feed(whom, &script, Some("--skip-column-names"), place)
}

/// Runs a script; its answer.
fn feed(
    (name, login): (&str, &Login),
    script: &Path,
    option: Option<&str>,
    place: &UnitPlace,
) -> Result<String, BackupError> {
    let tool = tool("mariadb", name, place);
    let mut command = command(&tool, login, place)?;
    command.args(["--batch"]).args(option);
    command.stdin(File::open(script).map_err(BackupError::io("open", script))?);
    let mut answer = String::new();
    tool.run(&mut command, |stream| {
        let read = stream.read_to_string(&mut answer);
        read.map(drop).map_err(BackupError::io("read the answer of mariadb for", script))
    })?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_is_read_and_its_password_stays_out_of_arguments_and_errors() {
        let read = login("main", "mysql://bot:p%40ss@db.example:3307/shop").unwrap();
        assert_eq!((read.database.as_str(), read.password.as_deref()), ("shop", Some("p@ss")));
        assert_eq!(
            read.options,
            ["--no-defaults", "--user=bot", "--host=db.example", "--protocol=tcp", "--port=3307"]
        );
        let read = login("main", "mysql://bot@localhost/shop?socket=/run/my.sock").unwrap();
        assert_eq!(read.options, ["--no-defaults", "--user=bot", "--socket=/run/my.sock"]);
        for wrong in [
            "postgresql://a:secret@b/c",
            "mysql://a:secret@b/",
            "mysql://a:secret@b/x;y",
            "nonsense:secret",
        ] {
            let error = login("main", wrong).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
