//! From schema 1 to schema 2, in one transaction.

use crate::{
    Build,
    layout::{Layout, Settings},
    store::{SCHEMA_2_ACCOUNTS, open_file, schema_of},
};
use anyhow::{Context as _, Result, bail};
use rusqlite::Transaction;

/// Brings the database to the schema of `build`.
pub(crate) fn run(build: &Build, layout: &Layout) -> Result<String> {
    let mut connection = open_file(layout)?;
    let found = schema_of(&connection)?;
    match (found, build.schema) {
        (found, wanted) if found == wanted => return Ok(format!("schema is {wanted} already")),
        (1, 2) => {}
        (found, wanted) => bail!("no way from schema {found} to schema {wanted}"),
    }
    let settings = layout.settings()?.context("there are no settings in data/ledger.json")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA_2_ACCOUNTS)?;
    let accounts = fill_accounts(&transaction)?;
    transaction.execute_batch(
        "ALTER TABLE entries ADD COLUMN currency TEXT NOT NULL DEFAULT 'EUR';
         CREATE INDEX entries_by_account ON entries (account);
         PRAGMA user_version = 2;",
    )?;
    // Settings and database are two places: whoever is killed between them gets both back from the backup.
    layout.write_settings(&Settings { schema: 2, ..settings })?;
    transaction.commit().context("failed to commit")?;
    Ok(format!("schema 1 → 2, {accounts} accounts"))
}

/// One row per account; two that differ only in case are one too many.
fn fill_accounts(transaction: &Transaction<'_>) -> Result<usize> {
    let mut query = transaction.prepare(
        "SELECT account, min(seq), min(id) FROM entries GROUP BY account ORDER BY min(seq)",
    )?;
    let accounts = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<(String, i64, String)>, _>>()?;
    for (account, seq, id) in &accounts {
        transaction
            .execute("INSERT INTO accounts (name, folded) VALUES (?1, lower(?1))", [account])
            .with_context(|| format!(
                "row {seq} (entry `{id}`) has the account `{account}`, which is empty or differs from an earlier one only in case"
            ))?;
    }
    Ok(accounts.len())
}
