//! What tells a host's report from the one before, so that only reports that changed are read.

use sea_orm_migration::prelude::*;

/// This step.
pub(super) struct Migration;

const TABLE: &str = "order_reports";
const COLUMN: &str = "digest";

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_report_digests"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Reports of before have an empty one, which is no report's: they are read until they change.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut column = ColumnDef::new(Alias::new(COLUMN));
        column.text().not_null().default("");
        let mut table = Table::alter();
        table.table(Alias::new(TABLE)).add_column(column);
        manager.alter_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        table.table(Alias::new(TABLE)).drop_column(Alias::new(COLUMN));
        manager.alter_table(table).await
    }
}
