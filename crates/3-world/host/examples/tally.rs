//! A small product for tests: counts in SQLite, answers over TCP, migrates, closes and opens. Not shipped.

use rusqlite::Connection;
use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};

/// The release's own file `about` holds its build and the schema that it needs.
fn about() -> Result<(String, i64), Box<dyn Error>> {
    let release = std::env::current_exe()?.parent().and_then(|bin| bin.parent()).map(PathBuf::from);
    let text = fs::read_to_string(release.ok_or("no release")?.join("about"))?;
    let (build, schema) = text.trim().split_once(' ').ok_or("no schema")?;
    Ok((build.to_owned(), schema.parse()?))
}

fn data() -> Result<PathBuf, Box<dyn Error>> {
    Ok(PathBuf::from(std::env::var("REFIT_ROOT")?).join("data"))
}

fn open() -> Result<Connection, Box<dyn Error>> {
    let database = Connection::open(data()?.join("tally.db"))?;
    database.pragma_update(None, "journal_mode", "wal")?;
    Ok(database)
}

fn schema(database: &Connection) -> rusqlite::Result<i64> {
    database.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn serve() -> Result<(), Box<dyn Error>> {
    let (build, needed) = about()?;
    let database = open()?;
    let found = schema(&database)?;
    if found != needed {
        return Err(format!("schema {found} found, {needed} needed").into());
    }
    // As real services do: a start alone changes the data.
    database.execute("INSERT INTO start (build) VALUES (?1)", [&build])?;
    let broken = std::env::current_exe()?.with_file_name("../broken");
    if broken.exists() {
        return Err("this release is broken".into());
    }
    let port: u16 = std::env::var("REFIT_PARAM_PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let (begun, dies, sours) = (Instant::now(), after("dies", &build)?, after("sours", &build)?);
    if let Some(after) = dies {
        std::thread::spawn(move || {
            std::thread::sleep(after);
            std::process::exit(3);
        });
    }
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = [0; 2048];
        if stream.read(&mut request)? == 0 {
            continue;
        }
        let rows: i64 = database.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?;
        if sours.is_some_and(|after| begun.elapsed() >= after) {
            write!(stream, "HTTP/1.0 500 Sour\r\n\r\n")?;
            continue;
        }
        let gate = if data()?.join("closed").exists() { "closed" } else { "open" };
        let body = format!("build {build} schema {found} rows {rows} gate {gate};");
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}

/// When a build does what it should not, in milliseconds after its start.
fn after(what: &str, build: &str) -> Result<Option<Duration>, Box<dyn Error>> {
    match fs::read_to_string(data()?.join(format!("{what}-{build}"))) {
        Ok(text) => Ok(Some(Duration::from_millis(text.trim().parse()?))),
        Err(_) => Ok(None),
    }
}

/// Not one transaction, so that a failure leaves a half.
fn migrate() -> Result<(), Box<dyn Error>> {
    let (build, needed) = about()?;
    let database = open()?;
    database.execute_batch("CREATE TABLE half (n INTEGER); DELETE FROM entry WHERE n % 2 = 1")?;
    fs::write(data()?.join("notes.txt"), "migrating")?;
    if data()?.join(format!("poison-{build}")).exists() {
        return Err("a value cannot be converted".into());
    }
    database.execute_batch("INSERT INTO entry SELECT n + 1 FROM entry; DROP TABLE half")?;
    database.pragma_update(None, "user_version", needed)?;
    fs::write(data()?.join("notes.txt"), format!("schema {needed}"))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve(),
        Some("migrate") => migrate(),
        Some("close") => Ok(fs::write(data()?.join("closed"), "")?),
        Some("open") => match fs::remove_file(data()?.join("closed")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        },
        other => Err(format!("unknown verb {other:?}").into()),
    }
}
