//! Windows and freezes, read and changed as a whole: whether they fit together is judged over all of them.

use crate::{Store, StoreError, dialect, error::during, fleet::Keep, text::At};
use refit_names::{Digest, WindowName};
use refit_plan::{Freeze, Window};
use refit_protocol::v1::FeedView;
use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, QueryOrder as _, entity::prelude::*,
    sea_query::OnConflict,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

mod record {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "calendar_records")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) record: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

mod feed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "calendar_feeds")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) secret_hash: String,
        pub(crate) record: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

const WINDOW: &str = "window";
const FREEZE: &str = "freeze";

/// All windows and freezes, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CalendarRecords {
    /// Windows.
    pub windows: BTreeMap<WindowName, Window>,
    /// Freezes.
    pub freezes: BTreeMap<String, Freeze>,
}

impl Store {
    /// All windows and freezes.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn calendar(&self) -> Result<CalendarRecords, StoreError> {
        read(&self.read).await
    }

    /// Names of all windows: what a host or a person may refer to.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn window_names(&self) -> Result<BTreeSet<WindowName>, StoreError> {
        Ok(self.calendar().await?.windows.into_keys().collect())
    }

    /// All freezes, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn freezes(&self) -> Result<Vec<Freeze>, StoreError> {
        let found = record::Entity::find()
            .filter(record::Column::Kind.eq(FREEZE))
            .order_by_asc(record::Column::Name)
            .all(&self.read)
            .await;
        found.map_err(during("list freezes"))?.iter().map(typed).collect()
    }

    /// Lets `change` work on all windows and freezes, then keeps what it changed: all of it, or nothing when it refuses.
    ///
    /// # Errors
    /// Those of `change`, [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn change_calendar<T, E: From<StoreError>>(
        &self,
        keep: Keep,
        change: impl FnOnce(&mut CalendarRecords) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin().await?;
        dialect::lock_chains(self.engine, &transaction).await?;
        let before = read(&transaction).await?;
        let mut after = before.clone();
        let done = change(&mut after)?;
        if keep == Keep::Yes && before != after {
            write(&transaction, WINDOW, &before.windows, &after.windows).await?;
            write(&transaction, FREEZE, &before.freezes, &after.freezes).await?;
            transaction.commit().await.map_err(during("change windows and freezes"))?;
        }
        Ok(done)
    }

    /// Keeps a feed with the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_feed(&self, view: &FeedView, secret_hash: &Digest) -> Result<(), StoreError> {
        let row = feed::ActiveModel {
            id: Set(view.id.clone()),
            secret_hash: Set(secret_hash.to_string()),
            record: Set(At { table: "calendar_feeds", key: &view.id }.text(view)?),
        };
        let added = feed::Entity::insert(row).exec_without_returning(&self.write).await;
        added.map(drop).map_err(during("keep a feed"))
    }

    /// The feed whose secret has this hash. The hash is the key of the look-up, so its time says nothing about secrets.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn feed_by_secret(&self, hash: &Digest) -> Result<Option<FeedView>, StoreError> {
        let found = feed::Entity::find()
            .filter(feed::Column::SecretHash.eq(hash.to_string()))
            .one(&self.read)
            .await
            .map_err(during("look up a feed"))?;
        found.map(feed_of).transpose()
    }

    /// All feeds.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn feeds(&self) -> Result<Vec<FeedView>, StoreError> {
        let found = feed::Entity::find().order_by_asc(feed::Column::Id).all(&self.read).await;
        found.map_err(during("list feeds"))?.into_iter().map(feed_of).collect()
    }

    /// Revokes a feed.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub async fn remove_feed(&self, id: &str) -> Result<(), StoreError> {
        let removed = feed::Entity::delete_by_id(id.to_owned()).exec(&self.write).await;
        match removed.map_err(during("remove a feed"))?.rows_affected {
            0 => Err(StoreError::Missing { what: "feed", key: id.to_owned() }),
            _ => Ok(()),
        }
    }
}

fn feed_of(row: feed::Model) -> Result<FeedView, StoreError> {
    At { table: "calendar_feeds", key: &row.id }.json(&row.record)
}

async fn read(connection: &impl ConnectionTrait) -> Result<CalendarRecords, StoreError> {
    let rows = record::Entity::find().all(connection).await;
    let mut records = CalendarRecords::default();
    for row in rows.map_err(during("list windows and freezes"))? {
        if row.kind == WINDOW {
            let window: Window = typed(&row)?;
            records.windows.insert(window.name.clone(), window);
        } else {
            let freeze: Freeze = typed(&row)?;
            records.freezes.insert(freeze.name.clone(), freeze);
        }
    }
    Ok(records)
}

fn typed<T: DeserializeOwned>(row: &record::Model) -> Result<T, StoreError> {
    At { table: "calendar_records", key: &row.name }.json(&row.record)
}

/// Writes what is new or other, removes what is gone.
async fn write<K: Ord + ToString, T: Serialize + PartialEq>(
    transaction: &DatabaseTransaction,
    kind: &str,
    before: &BTreeMap<K, T>,
    after: &BTreeMap<K, T>,
) -> Result<(), StoreError> {
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        let key = (kind.to_owned(), name.to_string());
        let removed = record::Entity::delete_by_id(key).exec(transaction).await;
        removed.map_err(during("remove a window or freeze"))?;
    }
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(*value)) {
        let name = name.to_string();
        let row = record::ActiveModel {
            kind: Set(kind.to_owned()),
            record: Set(At { table: "calendar_records", key: &name }.text(value)?),
            name: Set(name),
        };
        let replace = OnConflict::columns([record::Column::Kind, record::Column::Name])
            .update_column(record::Column::Record)
            .to_owned();
        let put = record::Entity::insert(row).on_conflict(replace);
        put.exec_without_returning(transaction).await.map_err(during("keep a window or freeze"))?;
    }
    Ok(())
}
