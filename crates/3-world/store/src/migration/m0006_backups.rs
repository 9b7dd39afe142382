//! Backups outside an upgrade: schedules, requests, what hosts said.

use super::table::{self, Kind::Number, Kind::Text, TableSpec};
use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_backups"
    }
}

const TABLES: [TableSpec; 3] = [
    ("backup_schedules", 1, &[("name", Text), ("body", Text)]),
    ("backup_requests", 1, &[("id", Number), ("host", Text), ("body", Text)]),
    ("backup_reports", 1, &[("host", Text), ("said_at", Number), ("body", Text)]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, &TABLES).await?;
        table::index(manager, "backup_requests_by_host", "backup_requests", &["host"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, &TABLES).await
    }
}
