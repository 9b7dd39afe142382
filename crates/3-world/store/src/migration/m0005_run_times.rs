//! How long finished runs took.

use super::table::{self, Kind::Number, Kind::Text, TableSpec};
use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_run_times"
    }
}

const TABLES: [TableSpec; 1] = [(
    "run_times",
    3,
    &[
        ("rollout", Text),
        ("host", Text),
        ("pack", Text),
        ("role", Text),
        ("undone", Number),
        ("took_ms", Number),
        ("finished_at", Number),
        ("journal_head", Text),
    ],
)];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, &TABLES).await?;
        table::index(manager, "run_times_newest", "run_times", &["finished_at"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, &TABLES).await
    }
}
