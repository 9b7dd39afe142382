//! What hosts stand in, what people say of their risk, and what changed in records.

use super::table::{self, Kind::Number, Kind::Text, TableSpec};
use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_fleet"
    }
}

const TABLES: [TableSpec; 3] = [
    ("fleet_records", 2, &[("kind", Text), ("name", Text), ("record", Text)]),
    ("risk_entries", 1, &[("id", Number), ("host", Text), ("record", Text)]),
    (
        "record_changes",
        1,
        &[
            ("seq", Number),
            ("at", Number),
            ("who", Text),
            ("kind", Text),
            ("name", Text),
            ("change", Text),
        ],
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, &TABLES).await?;
        table::index(manager, "risk_entries_by_host", "risk_entries", &["host"]).await?;
        table::index(manager, "record_changes_by_name", "record_changes", &["kind", "name"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, &TABLES).await
    }
}
