//! Single values that the server keeps.

use crate::{Store, StoreError, error::during};
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "settings")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) value: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity};

impl Store {
    /// A kept value.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let found = Entity::find_by_id(name.to_owned()).one(&self.read).await;
        Ok(found.map_err(during("read a setting"))?.map(|row| row.value))
    }

    /// Keeps a value.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        put(&self.write, name, value).await
    }
}

/// Keeps a value.
pub(crate) async fn put(
    connection: &impl ConnectionTrait,
    name: &str,
    value: &str,
) -> Result<(), StoreError> {
    let row = ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    let replace = OnConflict::column(Column::Name).update_column(Column::Value).to_owned();
    let put = Entity::insert(row).on_conflict(replace).exec_without_returning(connection).await;
    put.map(drop).map_err(during("keep a setting"))
}
