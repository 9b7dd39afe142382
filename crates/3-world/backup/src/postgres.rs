//! PostgreSQL databases: a dump that is counted and hashed while it is produced, and a restore in one transaction.

use crate::{
    UnitPlace,
    error::BackupError,
    files::pour_for_now,
    manifest::SavedDatabase,
    tool::{Tool, all_tables, need},
};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};

/// Programs that saving and restoring needs, of a version not older than the server.
pub const TOOLS: [&str; 3] = ["pg_dump", "pg_restore", "psql"];

/// Takes away all that the database has of its own, so that what a failed migration made goes too; what extensions
/// own stays, and so does the database itself with its rights. Runs in the transaction of the restore.
const EMPTY: &str = r"
DO $refit$
DECLARE item record;
BEGIN
  FOR item IN SELECT nspname FROM pg_namespace n
    WHERE nspname NOT IN ('public', 'information_schema') AND nspname NOT LIKE 'pg\_%'
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
  LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', item.nspname);
  END LOOP;
  LOOP
    SELECT c.oid::regclass AS name, c.relkind AS kind INTO item FROM pg_class c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i'))
      LIMIT 1;
    EXIT WHEN NOT FOUND;
    EXECUTE format('DROP %s %s CASCADE', CASE item.kind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, item.name);
  END LOOP;
  LOOP
    SELECT p.oid::regprocedure AS name INTO item FROM pg_proc p
      WHERE p.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
      LIMIT 1;
    EXIT WHEN NOT FOUND;
    EXECUTE format('DROP ROUTINE %s CASCADE', item.name);
  END LOOP;
  LOOP
    SELECT t.oid::regtype AS name, t.typtype AS kind INTO item FROM pg_type t
      WHERE t.typnamespace = 'public'::regnamespace AND (t.typtype IN ('e', 'd', 'r') OR
        (t.typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = t.typrelid) = 'c'))
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))
      LIMIT 1;
    EXIT WHEN NOT FOUND;
    EXECUTE format('DROP %s %s CASCADE', CASE item.kind WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, item.name);
  END LOOP;
  FOR item IN SELECT oid FROM pg_largeobject_metadata LOOP
    PERFORM lo_unlink(item.oid);
  END LOOP;
END
$refit$;
";

/// A connection string with its password taken out: arguments of a process are for everyone to see.
pub(crate) fn split_password(url: &str) -> (String, Option<String>) {
    let split = || {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (login, _) = rest[..end].rsplit_once('@')?;
        let (user, password) = login.split_once(':')?;
        let bare = format!("{scheme}://{user}{}", &rest[login.len()..]);
        Some((bare, percent_decoded(password)))
    };
    match split() {
        Some((bare, password)) => (bare, Some(password)),
        None => (url.to_owned(), None),
    }
}

pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let (b'%', Some(code)) = (bytes[at], code) {
            plain.push(code);
            at += 3;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn connect(command: &mut Command, url: &str, place: &UnitPlace) {
    command.envs(&place.environment);
    let (bare, password) = split_password(url);
    command.arg("--dbname").arg(bare);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
}

fn tool<'a>(name: &'static str, database: &'a str, place: &UnitPlace) -> Tool<'a> {
    Tool { name, database, limit: place.limit, run_as: place.run_as }
}

/// Dumps a database into `copy`. Count and hash are taken from the stream and compared with what then lies on disk.
pub(crate) fn save(
    name: &str,
    url: &str,
    copy: &Path,
    place: &UnitPlace,
) -> Result<SavedDatabase, BackupError> {
    need(&TOOLS)?;
    let tool = tool("pg_dump", name, place);
    let mut command = tool.command()?;
    command.args(["--format=custom", "--compress=0", "--no-password"]);
    connect(&mut command, url, place);
    let (size, digest) = tool.dump(&mut command, copy, &place.meter)?;
    Ok(SavedDatabase::Postgres { size, digest })
}

/// Reads the dump's table of contents: a dump that ends early has none.
pub(crate) fn check(
    name: &str,
    copy: &Path,
    limit: std::time::Duration,
) -> Result<(), BackupError> {
    let tool = Tool { name: "pg_restore", database: name, limit, run_as: None };
    let mut command = tool.command()?;
    command.arg("--list").arg(copy);
    tool.run(&mut command, |stream| {
        std::io::copy(stream, &mut std::io::sink()).map_err(BackupError::io("read", copy)).map(drop)
    })
}

/// Replaces all that is in the database by the dump, in one transaction.
pub(crate) fn put_back(
    name: &str,
    url: &str,
    copy: &Path,
    scratch: &Path,
    place: &UnitPlace,
) -> Result<(), BackupError> {
    // The whole script lies on disk before psql sees it: from a pipe that breaks, psql would commit the half.
    let script = scratch.join(format!("{name}.sql"));
    if script.exists() {
        fs::remove_file(&script).map_err(BackupError::io("remove", &script))?;
    }
    // It reads a file of the agent's, so it runs as the agent.
    let reader = Tool { name: "pg_restore", database: name, limit: place.limit, run_as: None };
    let mut command = reader.command()?;
    command.arg("--file=-").arg(copy);
    reader.run(&mut command, |stream| pour_for_now(stream, &script, &place.meter))?;
    let input = File::open(&script).map_err(BackupError::io("open", &script))?;
    let writer = tool("psql", name, place);
    let mut command = writer.command()?;
    command.args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"]);
    command.args(["--single-transaction", "--command", EMPTY, "--file=-"]).stdin(input);
    connect(&mut command, url, place);
    writer.run(&mut command, |stream| {
        let done = std::io::copy(stream, &mut std::io::sink());
        done.map(drop).map_err(BackupError::io("read the answer of psql for", &script))
    })?;
    fs::remove_file(&script).map_err(BackupError::io("remove", &script))
}

/// Tables with data, as the restored database has them.
const TABLES: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Restores a dump into a database of its own on the same server, counts its tables, and takes it away again.
pub(crate) fn prove(
    (name, url): (&str, &str),
    copy: &Path,
    scratch: &Path,
    place: &UnitPlace,
) -> Result<u64, BackupError> {
    let expected = tables_in(name, copy, place.limit)?;
    let database = format!("refit_proof_{}", std::process::id());
    let script = scratch.join(format!("{name}.sql"));
    let mut file = File::create_new(&script).map_err(BackupError::io("create", &script))?;
    let first = format!(
        "DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database} TEMPLATE template0;\n\\connect {database}\n"
    );
    file.write_all(first.as_bytes()).map_err(BackupError::io("write", &script))?;
    let reader = Tool { name: "pg_restore", database: name, limit: place.limit, run_as: None };
    let mut command = reader.command()?;
    command.args(["--no-owner", "--no-privileges", "--file=-"]).arg(copy);
    reader.run(&mut command, |stream| {
        let poured = std::io::copy(stream, &mut file);
        poured.map(drop).map_err(BackupError::io("write", &script))
    })?;
    drop(file);
    let restored = psql((name, url), &script, place);
    let counted = restored.and_then(|_| {
        let count = scratch.join(format!("{name}.count.sql"));
        let text = format!("\\connect {database}\n{TABLES};\n");
        fs::write(&count, text).map_err(BackupError::io("write", &count))?;
        psql((name, url), &count, place)
    });
    let drop = scratch.join(format!("{name}.drop.sql"));
    let text = format!("DROP DATABASE IF EXISTS {database};\n");
    fs::write(&drop, text).map_err(BackupError::io("write", &drop))?;
    let dropped = psql((name, url), &drop, place);
    let (counted, _) = (counted?, dropped?);
    all_tables(copy, expected, counted.lines().last().unwrap_or_default())
}

/// Tables that a dump has.
fn tables_in(name: &str, copy: &Path, limit: std::time::Duration) -> Result<u64, BackupError> {
    let tool = Tool { name: "pg_restore", database: name, limit, run_as: None };
    let mut command = tool.command()?;
    command.arg("--list").arg(copy);
    let mut list = String::new();
    tool.run(&mut command, |stream| {
        stream.read_to_string(&mut list).map(drop).map_err(BackupError::io("read", copy))
    })?;
    let is_table = |line: &&str| {
        let mut words = line.split_whitespace().skip(3);
        words.next() == Some("TABLE") && words.next() != Some("DATA")
    };
    Ok(list.lines().filter(|line| !line.starts_with(';')).filter(is_table).count() as u64)
}

/// Runs a script; its answer without decoration.
fn psql(
    (name, url): (&str, &str),
    script: &Path,
    place: &UnitPlace,
) -> Result<String, BackupError> {
    let input = File::open(script).map_err(BackupError::io("open", script))?;
    let writer = tool("psql", name, place);
    let mut command = writer.command()?;
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"]);
    command.args(["--set=ON_ERROR_STOP=1", "--file=-"]).stdin(input);
    connect(&mut command, url, place);
    let mut answer = String::new();
    writer.run(&mut command, |stream| {
        let read = stream.read_to_string(&mut answer);
        read.map(drop).map_err(BackupError::io("read the answer of psql for", script))
    })?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_never_reaches_the_arguments() {
        let (bare, password) = split_password("postgresql://bot:p%40ss:word@db:5432/build?x=y@z");
        assert_eq!(bare, "postgresql://bot@db:5432/build?x=y@z");
        assert_eq!(password.as_deref(), Some("p@ss:word"));
        let plain = "postgresql:///build?host=/run/postgresql";
        assert_eq!(split_password(plain), (plain.to_owned(), None));
    }
}
