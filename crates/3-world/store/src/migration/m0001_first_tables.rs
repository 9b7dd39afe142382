//! All tables of the first release.

use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_first_tables"
    }
}

/// A column: its name and what it holds.
type Col = (&'static str, Kind);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    TextOrNull,
    Number,
    NumberOrNull,
    Bytes,
}
use Kind::{Bytes, Number, NumberOrNull, Text, TextOrNull};

/// Name, columns and how many of the first columns are the key.
const TABLES: [(&str, usize, &[Col]); 12] = [
    ("users", 1, &[("name", Text), ("rights", Text), ("token_hash", Text), ("made_at", Number)]),
    (
        "enrolment_tokens",
        1,
        &[
            ("token_hash", Text),
            ("host", TextOrNull),
            ("site", Text),
            ("role", Text),
            ("expires_at", Number),
            ("used_at", NumberOrNull),
            ("used_by", TextOrNull),
        ],
    ),
    (
        "hosts",
        1,
        &[("name", Text), ("record", Text), ("facts", TextOrNull), ("last_seen", NumberOrNull)],
    ),
    (
        "issued",
        1,
        &[("serial", Text), ("host", Text), ("issued_at", Number), ("not_after", Number)],
    ),
    (
        "plans",
        1,
        &[
            ("hash", Text),
            ("rollout", Text),
            ("generation", Number),
            ("plan", Text),
            ("report", Text),
            ("findings", Text),
        ],
    ),
    ("rollouts", 1, &[("name", Text), ("version", Number), ("made_at", Number), ("body", Text)]),
    (
        "order_reports",
        2,
        &[("rollout", Text), ("host", Text), ("received_at", Number), ("body", Text)],
    ),
    ("journal_entries", 2, &[("host", Text), ("seq", Number), ("hash", Text), ("body", Text)]),
    (
        "signatures",
        3,
        &[
            ("rollout", Text),
            ("host", Text),
            ("party", Text),
            ("person", Text),
            ("signed_at", Number),
            ("remark", Text),
        ],
    ),
    (
        "certificates",
        2,
        &[
            ("rollout", Text),
            ("host", Text),
            ("name", Text),
            ("evidence", Text),
            ("final_at", Number),
            ("envelope", Text),
            ("pdf", Bytes),
        ],
    ),
    (
        "audit",
        1,
        &[
            ("seq", Number),
            ("at", Number),
            ("who", Text),
            ("what", Text),
            ("details", Text),
            ("prev", Text),
            ("hash", Text),
        ],
    ),
    ("settings", 1, &[("name", Text), ("value", Text)]),
];

/// Indexes: name, table, columns, whether values are unique.
const INDEXES: [(&str, &str, &[&str], bool); 4] = [
    ("users_by_token", "users", &["token_hash"], true),
    ("plans_by_rollout", "plans", &["rollout", "generation"], true),
    ("reports_by_host", "order_reports", &["host"], false),
    ("issued_by_host", "issued", &["host"], false),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, keys, columns) in TABLES {
            let mut table = Table::create();
            table.table(Alias::new(name));
            for (column, kind) in columns {
                table.col(column_def(column, *kind));
            }
            let mut key = Index::create();
            for (column, _) in &columns[..keys] {
                key.col(Alias::new(*column));
            }
            table.primary_key(&mut key);
            manager.create_table(table).await?;
        }
        for (name, table, columns, unique) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(Alias::new(table));
            for column in columns {
                index.col(Alias::new(*column));
            }
            if unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in TABLES {
            manager.drop_table(Table::drop().table(Alias::new(name)).to_owned()).await?;
        }
        Ok(())
    }
}

fn column_def(name: &str, kind: Kind) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    match kind {
        Text => column.text().not_null(),
        TextOrNull => column.text().null(),
        Number => column.big_integer().not_null(),
        NumberOrNull => column.big_integer().null(),
        Bytes => column.binary().not_null(),
    };
    column
}
