//! Windows, freezes and the secrets of calendar feeds.

use super::table::{self, Kind::Text, TableSpec};
use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_windows"
    }
}

const TABLES: [TableSpec; 2] = [
    ("calendar_records", 2, &[("kind", Text), ("name", Text), ("record", Text)]),
    ("calendar_feeds", 1, &[("id", Text), ("secret_hash", Text), ("record", Text)]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, &TABLES).await?;
        table::index(manager, "feeds_by_secret", "calendar_feeds", &["secret_hash"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, &TABLES).await
    }
}
