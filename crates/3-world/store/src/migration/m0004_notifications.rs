//! Who hears of events, the events, what was found before, and what became of each delivery.

use super::table::{self, Kind::Number, Kind::Text, TableSpec};
use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_notifications"
    }
}

/// An empty text and the number 0 say: none.
const TABLES: [TableSpec; 4] = [
    (
        "notify_channels",
        1,
        &[
            ("id", Text),
            ("target", Text),
            ("events", Text),
            ("secret", Text),
            ("made_by", Text),
            ("made_at", Number),
            ("disabled", Text),
        ],
    ),
    ("notify_events", 1, &[("id", Text), ("kind", Text), ("at", Number), ("findings", Text)]),
    ("notify_findings", 1, &[("key", Text), ("event", Text)]),
    (
        "notify_deliveries",
        2,
        &[
            ("event", Text),
            ("channel", Text),
            ("state", Text),
            ("attempts", Number),
            ("last_at", Number),
            ("next_at", Number),
            ("problem", Text),
        ],
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, &TABLES).await?;
        table::index(manager, "notify_events_by_time", "notify_events", &["at"]).await?;
        table::index(manager, "deliveries_due", "notify_deliveries", &["state", "next_at"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, &TABLES).await
    }
}
