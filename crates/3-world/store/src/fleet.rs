//! The fleet as people state it, read and changed as a whole: hosts, sites, clusters, engineers, and what changed when.

use crate::{Store, StoreError, dialect, error::during, hosts, text::At};
use jiff::Timestamp;
use refit_inventory::{
    ChangeKind, ClusterRecord, EngineerRecord, Fleet, RecordChange, RecordKind, SiteRecord,
};
use refit_names::WindowName;
use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, QueryOrder as _, QuerySelect as _, entity::prelude::*,
    sea_query::OnConflict,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;

mod record {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "fleet_records")]
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

mod change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "record_changes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) seq: i64,
        pub(crate) at: i64,
        pub(crate) who: String,
        pub(crate) kind: String,
        pub(crate) name: String,
        pub(crate) change: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Rows written with one statement: six values each stay far below what either engine takes.
pub(crate) const ROWS_AT_ONCE: usize = 500;

/// A change of a record with who made it and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub change: RecordChange,
}

/// Whether a change is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is.
    Yes,
    /// It is only tried.
    Try,
}

impl Store {
    /// All sites, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn sites(&self) -> Result<Vec<SiteRecord>, StoreError> {
        records(&self.read, RecordKind::Site).await
    }

    /// All clusters with a record, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn clusters(&self) -> Result<Vec<ClusterRecord>, StoreError> {
        records(&self.read, RecordKind::Cluster).await
    }

    /// All engineers, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn engineers(&self) -> Result<Vec<EngineerRecord>, StoreError> {
        records(&self.read, RecordKind::Engineer).await
    }

    /// Lets `change` work on the whole fleet, then keeps what it changed: all of it, or nothing when it refuses.
    /// What agents saw is neither read nor touched.
    ///
    /// # Errors
    /// Those of `change`, [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn change_fleet<T, E: From<StoreError>>(
        &self,
        windows: Option<BTreeSet<WindowName>>,
        keep: Keep,
        (who, now): (&str, Timestamp),
        change: impl FnOnce(&mut Fleet) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin().await?;
        dialect::lock_chains(self.engine, &transaction).await?;
        let mut fleet = Fleet::new(
            hosts::said(&transaction).await?,
            records(&transaction, RecordKind::Site).await?,
            records(&transaction, RecordKind::Cluster).await?,
            records(&transaction, RecordKind::Engineer).await?,
            windows,
        );
        let done = change(&mut fleet)?;
        if keep == Keep::Try || fleet.changes().is_empty() {
            return Ok(done);
        }
        write(&transaction, &fleet).await?;
        note(&transaction, fleet.changes(), who, now).await?;
        transaction.commit().await.map_err(during("change the fleet"))?;
        Ok(done)
    }

    /// What happened to one record, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn changes_of(
        &self,
        kind: RecordKind,
        name: &str,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let found = change::Entity::find()
            .filter(change::Column::Kind.eq(kind.as_str()))
            .filter(change::Column::Name.eq(name))
            .order_by_asc(change::Column::Seq)
            .all(&self.read)
            .await;
        found.map_err(during("read changes of a record"))?.into_iter().map(change_of).collect()
    }
}

fn change_of(row: change::Model) -> Result<ChangeRow, StoreError> {
    let key = row.seq.to_string();
    let at = At { table: "record_changes", key: &key };
    Ok(ChangeRow { at: at.moment(row.at)?, change: at.json(&row.change)?, who: row.who })
}

async fn records<T: DeserializeOwned>(
    connection: &impl ConnectionTrait,
    kind: RecordKind,
) -> Result<Vec<T>, StoreError> {
    let found = record::Entity::find()
        .filter(record::Column::Kind.eq(kind.as_str()))
        .order_by_asc(record::Column::Name)
        .all(connection)
        .await;
    let rows = found.map_err(during("list records of the fleet"))?;
    let typed =
        |row: record::Model| At { table: "fleet_records", key: &row.name }.json(&row.record);
    rows.into_iter().map(typed).collect()
}

/// Writes what changed, hosts many at a time.
async fn write(transaction: &DatabaseTransaction, fleet: &Fleet) -> Result<(), StoreError> {
    let mut changed = BTreeSet::new();
    for change in fleet.changes().iter().rev() {
        // Only the last change of a record says what is left of it.
        if !changed.insert((change.kind, change.name.as_str())) {
            continue;
        }
        let name = change.name.as_str();
        match (change.kind, change.what == ChangeKind::Removed) {
            (RecordKind::Host, true) => hosts::remove(transaction, name).await?,
            (RecordKind::Host, false) => {}
            (kind, true) => remove(transaction, kind, name).await?,
            (RecordKind::Site, false) => {
                let found = fleet.sites().values().find(|record| record.name.as_str() == name);
                put(transaction, change, found).await?;
            }
            (RecordKind::Cluster, false) => {
                put(transaction, change, fleet.clusters().get(name)).await?;
            }
            (RecordKind::Engineer, false) => {
                let found = fleet.engineers().values().find(|record| record.name.as_str() == name);
                put(transaction, change, found).await?;
            }
            (RecordKind::Risk | RecordKind::RiskWeights, false) => {}
        }
    }
    let is_changed = |name: &str| changed.contains(&(RecordKind::Host, name));
    let records = fleet.hosts().values().filter(|host| is_changed(host.name.as_str()));
    hosts::put_all(transaction, records).await
}

async fn put<T: Serialize>(
    transaction: &DatabaseTransaction,
    change: &RecordChange,
    record: Option<&T>,
) -> Result<(), StoreError> {
    let Some(record) = record else { return Ok(()) };
    let row = record::ActiveModel {
        kind: Set(change.kind.as_str().to_owned()),
        name: Set(change.name.clone()),
        record: Set(At { table: "fleet_records", key: &change.name }.text(record)?),
    };
    let replace = OnConflict::columns([record::Column::Kind, record::Column::Name])
        .update_column(record::Column::Record)
        .to_owned();
    let put = record::Entity::insert(row).on_conflict(replace);
    put.exec_without_returning(transaction).await.map_err(during("keep a record of the fleet"))?;
    Ok(())
}

async fn remove(
    transaction: &DatabaseTransaction,
    kind: RecordKind,
    name: &str,
) -> Result<(), StoreError> {
    let key = (kind.as_str().to_owned(), name.to_owned());
    let removed = record::Entity::delete_by_id(key).exec(transaction).await;
    removed.map(drop).map_err(during("remove a record of the fleet"))
}

/// Writes down what changed, by whom and when.
pub(crate) async fn note(
    transaction: &DatabaseTransaction,
    changes: &[RecordChange],
    who: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let last = change::Entity::find()
        .select_only()
        .column_as(change::Column::Seq.max(), "seq")
        .into_tuple::<Option<i64>>()
        .one(transaction)
        .await
        .map_err(during("read the end of the changes"))?;
    let mut seq = last.flatten().unwrap_or(0);
    for some in changes.chunks(ROWS_AT_ONCE) {
        let mut rows = Vec::with_capacity(some.len());
        for one in some {
            seq += 1;
            rows.push(change::ActiveModel {
                seq: Set(seq),
                at: Set(now.as_millisecond()),
                who: Set(who.to_owned()),
                kind: Set(one.kind.as_str().to_owned()),
                name: Set(one.name.clone()),
                change: Set(At { table: "record_changes", key: &one.name }.text(one)?),
            });
        }
        let added = change::Entity::insert_many(rows).exec_without_returning(transaction).await;
        added.map_err(during("keep changes of records"))?;
    }
    Ok(())
}
