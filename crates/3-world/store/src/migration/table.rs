//! Tables and indexes as short lists.

use sea_orm_migration::prelude::*;

/// Name, columns and how many of the first columns are the key.
pub(super) type TableSpec = (&'static str, usize, &'static [(&'static str, Kind)]);

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Bytes,
}

/// Makes them.
pub(super) async fn create(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    for (name, keys, columns) in tables {
        let mut table = Table::create();
        table.table(Alias::new(*name));
        let mut key = Index::create();
        for (at, (column, kind)) in columns.iter().enumerate() {
            let mut definition = ColumnDef::new(Alias::new(*column));
            match kind {
                Kind::Text => definition.text().not_null(),
                Kind::Number => definition.big_integer().not_null(),
                Kind::Bytes => definition.binary().not_null(),
            };
            table.col(definition);
            if at < *keys {
                key.col(Alias::new(*column));
            }
        }
        table.primary_key(&mut key);
        manager.create_table(table).await?;
    }
    Ok(())
}

/// Makes an index whose values may repeat.
pub(super) async fn index(
    manager: &SchemaManager<'_>,
    name: &str,
    table: &str,
    columns: &[&str],
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    manager.create_index(index).await
}

/// Takes them away.
pub(super) async fn drop(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    for (name, _, _) in tables {
        manager.drop_table(Table::drop().table(Alias::new(*name)).to_owned()).await?;
    }
    Ok(())
}
