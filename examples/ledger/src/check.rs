//! Whether files and database fit together.

use crate::{
    Build,
    layout::{self, Layout},
    store::Store,
};
use anyhow::{Result, ensure};

/// Fails with the first thing that does not fit.
pub(crate) fn run(build: &Build, layout: &Layout) -> Result<String> {
    layout::check_tree(build.name)?;
    let mut store = Store::open(build, layout)?;
    let connection = store.connection();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(verdict == "ok", "integrity check says: {verdict}");
    if build.schema >= 2 {
        let orphans: i64 = connection.query_row(
            "SELECT count(*) FROM entries WHERE account NOT IN (SELECT name FROM accounts)",
            [],
            |row| row.get(0),
        )?;
        ensure!(orphans == 0, "{orphans} entries belong to no account");
    }
    Ok(format!(
        "build {}, schema {}, {} entries: consistent",
        build.name,
        build.schema,
        store.count()?
    ))
}
