//! What people say of the risk of hosts, and the weights of the score.

use crate::{Store, StoreError, dialect, error::during, fleet, settings, text::At};
use jiff::Timestamp;
use refit_inventory::{ChangeKind, RecordChange, RecordKind, field_changes};
use refit_names::HostName;
use refit_risk::{RiskEntry, Weights};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, QueryOrder as _, QuerySelect as _, entity::prelude::*,
    sea_query::OnConflict,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "risk_entries")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i64,
        pub(crate) host: String,
        pub(crate) record: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

impl Store {
    /// Every stated risk, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn risk_entries(&self) -> Result<Vec<RiskEntry>, StoreError> {
        let found = Entity::find().order_by_asc(Column::Id).all(&self.read).await;
        found.map_err(during("list risks"))?.into_iter().map(entry_of).collect()
    }

    /// Stated risks of one host, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn risk_entries_of(&self, host: &HostName) -> Result<Vec<RiskEntry>, StoreError> {
        let of_host = Entity::find().filter(Column::Host.eq(host.as_str()));
        let found = of_host.order_by_asc(Column::Id).all(&self.read).await;
        found.map_err(during("list risks of a host"))?.into_iter().map(entry_of).collect()
    }

    /// Keeps a new risk under the next free number, which it returns with it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_risk(
        &self,
        mut entry: RiskEntry,
        (who, now): (&str, Timestamp),
    ) -> Result<RiskEntry, StoreError> {
        let transaction = self.begin().await?;
        dialect::lock_chains(self.engine, &transaction).await?;
        let last = Entity::find()
            .select_only()
            .column_as(Column::Id.max(), "id")
            .into_tuple::<Option<i64>>()
            .one(&transaction)
            .await
            .map_err(during("read the last risk"))?;
        let at = At { table: "risk_entries", key: "last" };
        entry.id = at.count(last.flatten().unwrap_or(0))? + 1;
        put(&transaction, &entry).await?;
        let (kind, name) = (RecordKind::Risk, entry.id.to_string());
        let changes = [RecordChange { kind, name, what: ChangeKind::Created }];
        fleet::note(&transaction, &changes, who, now).await?;
        transaction.commit().await.map_err(during("keep a risk"))?;
        Ok(entry)
    }

    /// Changes a risk as `change` says.
    ///
    /// # Errors
    /// Those of `change`, [`StoreError::Missing`] when there is no such risk, [`StoreError::Database`].
    pub async fn change_risk<E: From<StoreError>>(
        &self,
        id: u64,
        (who, now): (&str, Timestamp),
        change: impl FnOnce(RiskEntry) -> Result<RiskEntry, E>,
    ) -> Result<RiskEntry, E> {
        let transaction = self.begin().await?;
        dialect::lock_chains(self.engine, &transaction).await?;
        let key = id.to_string();
        let stored = At { table: "risk_entries", key: &key }.stored(id)?;
        let found = Entity::find_by_id(stored).one(&transaction).await;
        let found = found.map_err(during("read a risk"))?;
        let before = found.ok_or_else(|| StoreError::Missing { what: "risk", key: key.clone() })?;
        let before = entry_of(before)?;
        let after = change(before.clone())?;
        put(&transaction, &after).await?;
        let what = ChangeKind::Updated { fields: field_changes(&before, &after) };
        let changes = [RecordChange { kind: RecordKind::Risk, name: key, what }];
        fleet::note(&transaction, &changes, who, now).await?;
        transaction.commit().await.map_err(during("change a risk"))?;
        Ok(after)
    }
}

/// The name under which weights are kept.
const WEIGHTS: &str = "risk.weights";

impl Store {
    /// The weights of the score; those that Refit comes with while nobody changed them.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn risk_weights(&self) -> Result<Weights, StoreError> {
        let kept = self.setting(WEIGHTS).await?;
        let at = At { table: "settings", key: WEIGHTS };
        kept.map_or_else(|| Ok(Weights::default()), |text| at.json(&text))
    }

    /// Keeps weights as the next version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when someone else changed them, [`StoreError::Database`].
    pub async fn set_risk_weights(
        &self,
        before: &Weights,
        after: &Weights,
        (who, now): (&str, Timestamp),
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        dialect::lock_chains(self.engine, &transaction).await?;
        if self.risk_weights().await?.version != before.version {
            let expected = u64::from(before.version);
            return Err(StoreError::Conflict {
                what: "weights",
                key: WEIGHTS.to_owned(),
                expected,
            });
        }
        let text = At { table: "settings", key: WEIGHTS }.text(after)?;
        settings::put(&transaction, WEIGHTS, &text).await?;
        let (kind, what) =
            (RecordKind::RiskWeights, ChangeKind::Updated { fields: field_changes(before, after) });
        let changes = [RecordChange { kind, name: WEIGHTS.to_owned(), what }];
        fleet::note(&transaction, &changes, who, now).await?;
        transaction.commit().await.map_err(during("keep the weights"))
    }
}

async fn put(connection: &impl ConnectionTrait, entry: &RiskEntry) -> Result<(), StoreError> {
    let key = entry.id.to_string();
    let at = At { table: "risk_entries", key: &key };
    let row = ActiveModel {
        id: Set(at.stored(entry.id)?),
        host: Set(entry.host.to_string()),
        record: Set(at.text(entry)?),
    };
    let replace = OnConflict::column(Column::Id).update_column(Column::Record).to_owned();
    let put = Entity::insert(row).on_conflict(replace).exec_without_returning(connection).await;
    put.map(drop).map_err(during("keep a risk"))
}

fn entry_of(row: Model) -> Result<RiskEntry, StoreError> {
    At { table: "risk_entries", key: &row.id.to_string() }.json(&row.record)
}
