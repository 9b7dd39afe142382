//! A query with the database's own client, in a transaction that cannot write.

use super::failed;
use crate::{command::Run, context::Context, error::StepError};
use refit_packs::runbook::SqlProbe;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use std::{path::Path, time::Duration};

/// What of an answer stands in a message.
const SHOWN_CHARS_MAX: usize = 200;

pub(crate) fn look(
    context: &Context<'_>,
    probe: &SqlProbe,
    limit: Duration,
) -> Result<String, StepError> {
    let url = context.text(&probe.url)?;
    let target = format!("query `{}`", probe.query.trim());
    let answer = match url.strip_prefix("sqlite:") {
        Some(path) => {
            sqlite(&context.layout.root().join(path.trim_start_matches("//")), &probe.query, limit)
                .map_err(|error| failed(&target, "an answer", error))?
        }
        None => by_client(context, &url, &probe.query, limit)?,
    };
    let answer = context.redacted(answer.trim_end());
    let shown: String = answer.chars().take(SHOWN_CHARS_MAX).collect();
    if let Some(expected) = &probe.expect {
        let expected = context.text(expected)?;
        if answer != expected.trim_end() {
            return Err(failed(&target, &format!("`{expected}`"), format!("`{shown}`")));
        }
    }
    if let Some(part) = &probe.contains {
        let part = context.text(part)?;
        if !answer.contains(&part) {
            return Err(failed(&target, &format!("an answer with `{part}`"), format!("`{shown}`")));
        }
    }
    Ok(format!("{target}: `{shown}`"))
}

fn by_client(
    context: &Context<'_>,
    url: &str,
    query: &str,
    limit: Duration,
) -> Result<String, StepError> {
    let call = refit_backup::client_call("probe", url)?;
    let postgres = call.program == "psql";
    let mut words = vec![call.program.to_owned()];
    words.extend(call.arguments.iter().cloned());
    if postgres {
        let flags = [
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--field-separator=|",
            "--set=ON_ERROR_STOP=1",
        ];
        words.extend(flags.map(str::to_owned));
        for statement in ["BEGIN TRANSACTION READ ONLY", query, "ROLLBACK"] {
            words.extend(["--command".to_owned(), statement.to_owned()]);
        }
    } else {
        let whole = format!(
            "START TRANSACTION READ ONLY; {}; ROLLBACK",
            query.trim().trim_end_matches(';')
        );
        words.extend(["--batch", "--skip-column-names", "--execute"].map(str::to_owned));
        words.push(whole);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut run = Run::of_host(&words);
    run.user.clone_from(&context.product.user);
    run.secrets = context.secrets.to_vec();
    run.secrets.extend(call.environment.iter().map(|(_, value)| value.clone()));
    run.environment = call.environment.into_iter().collect();
    if postgres {
        let seconds = limit.as_secs().clamp(1, 3600);
        run.environment.insert("PGCONNECT_TIMEOUT".to_owned(), seconds.to_string());
    }
    let said = run.succeed(limit)?;
    Ok(if postgres { said } else { said.replace('\t', "|") })
}

fn sqlite(path: &Path, query: &str, limit: Duration) -> Result<String, String> {
    let told = |error: rusqlite::Error| error.to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    connection.busy_timeout(limit).map_err(told)?;
    let mut statement = connection.prepare(query).map_err(told)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(told)?;
    let mut answer = String::new();
    while let Some(row) = rows.next().map_err(told)? {
        let cells: Result<Vec<String>, rusqlite::Error> =
            (0..columns).map(|at| Ok(cell(row.get_ref(at)?))).collect();
        answer.push_str(&cells.map_err(told)?.join("|"));
        answer.push('\n');
    }
    Ok(answer)
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_answers_and_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL)")
            .unwrap();
        let limit = Duration::from_secs(5);
        assert_eq!(sqlite(&path, "SELECT * FROM t ORDER BY a", limit).unwrap(), "1|x\n2|\n");
        let refused = sqlite(&path, "DELETE FROM t", limit).unwrap_err();
        assert!(refused.contains("readonly"), "{refused}");
        assert!(
            sqlite(&folder.path().join("none.db"), "SELECT 1", limit)
                .unwrap_err()
                .contains("none.db")
        );
    }
}
