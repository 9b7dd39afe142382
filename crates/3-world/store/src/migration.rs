//! The tables' history. A step that was released is never edited: a change is a new step.

use sea_orm_migration::prelude::*;

mod m0001_first_tables;

/// Brings tables to this version.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_first_tables::Migration)]
    }
}
