//! The tables' history. A step that was released is never edited: a change is a new step.

use sea_orm_migration::prelude::*;

mod m0001_first_tables;
mod m0002_windows;
mod m0003_fleet;
mod m0004_notifications;
mod m0005_run_times;
mod m0006_backups;
mod m0007_questions;
mod m0008_report_digests;
mod table;

/// Brings tables to this version.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_windows::Migration),
            Box::new(m0003_fleet::Migration),
            Box::new(m0004_notifications::Migration),
            Box::new(m0005_run_times::Migration),
            Box::new(m0006_backups::Migration),
            Box::new(m0007_questions::Migration),
            Box::new(m0008_report_digests::Migration),
        ]
    }
}
