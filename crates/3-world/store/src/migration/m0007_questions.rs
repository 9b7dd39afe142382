//! Questions of hosts to people, the files that were handed in, and dry runs of runbooks.

use super::table::{self, Kind::Bytes, Kind::Number, Kind::Text, TableSpec};
use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_questions"
    }
}

/// An empty text in `given` and `counted` says: none.
const TABLES: [TableSpec; 3] = [
    (
        "questions",
        6,
        &[
            ("host", Text),
            ("rollout", Text),
            ("generation", Number),
            ("leg", Number),
            ("step", Text),
            ("attempt", Number),
            ("state", Text),
            ("since", Number),
            ("body", Text),
            ("given", Text),
            ("counted", Text),
        ],
    ),
    ("uploads", 1, &[("digest", Text), ("content", Bytes)]),
    (
        "runbook_tests",
        1,
        &[("id", Number), ("host", Text), ("asked_at", Number), ("open", Number), ("body", Text)],
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, &TABLES).await?;
        table::index(manager, "questions_by_state", "questions", &["state"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, &TABLES).await
    }
}
