//! Campaigns, with a version against lost updates.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::RolloutName;
use sea_orm::{
    ActiveValue::Set,
    QueryOrder as _, QuerySelect as _,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};
use serde::{Serialize, de::DeserializeOwned};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "rollouts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) version: i64,
        pub(crate) made_at: i64,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// A campaign as stored. `T` is whatever the server keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRow<T> {
    /// Its name.
    pub name: RolloutName,
    /// Raised with every write.
    pub version: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The rest.
    pub body: T,
}

impl Store {
    /// Keeps a new campaign, with version 1.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken.
    pub async fn add_rollout<T: Serialize + Sync>(
        &self,
        name: &RolloutName,
        body: &T,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = At { table: "rollouts", key: name.as_str() };
        let row = ActiveModel {
            name: Set(name.to_string()),
            version: Set(1),
            made_at: Set(now.as_millisecond()),
            body: Set(at.text(body)?),
        };
        let added = Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
            .exec_without_returning(&self.write)
            .await
            .map_err(during("keep a rollout"))?;
        match added {
            0 => Err(StoreError::Exists { what: "rollout", key: name.to_string() }),
            _ => Ok(()),
        }
    }

    /// Writes a campaign that was read as `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when someone else wrote it since: read it again, decide again.
    pub async fn save_rollout<T: Serialize + Sync>(
        &self,
        name: &RolloutName,
        version: u64,
        body: &T,
    ) -> Result<u64, StoreError> {
        let at = At { table: "rollouts", key: name.as_str() };
        let next = version + 1;
        let saved = Entity::update_many()
            .col_expr(Column::Body, Expr::value(at.text(body)?))
            .col_expr(Column::Version, Expr::value(at.stored(next)?))
            .filter(Column::Name.eq(name.as_str()))
            .filter(Column::Version.eq(at.stored(version)?))
            .exec(&self.write)
            .await
            .map_err(during("save a rollout"))?;
        match saved.rows_affected {
            0 => Err(StoreError::Conflict {
                what: "rollout",
                key: name.to_string(),
                expected: version,
            }),
            _ => Ok(next),
        }
    }

    /// One campaign.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub async fn rollout<T: DeserializeOwned>(
        &self,
        name: &RolloutName,
    ) -> Result<RolloutRow<T>, StoreError> {
        let found = Entity::find_by_id(name.to_string()).one(&self.read).await;
        let missing = || StoreError::Missing { what: "rollout", key: name.to_string() };
        found.map_err(during("read a rollout"))?.ok_or_else(missing).and_then(rollout_of)
    }

    /// Names and versions of all campaigns, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn rollout_versions(&self) -> Result<Vec<(RolloutName, u64)>, StoreError> {
        let listed = newest_first().select_only().columns([Column::Name, Column::Version]);
        let listed: Vec<(String, i64)> =
            listed.into_tuple().all(&self.read).await.map_err(during("list rollouts"))?;
        let version = |(name, version): (String, i64)| {
            let at = At { table: "rollouts", key: &name };
            Ok((at.parse(&name)?, at.count(version)?))
        };
        listed.into_iter().map(version).collect()
    }

    /// All campaigns, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn rollouts<T: DeserializeOwned>(&self) -> Result<Vec<RolloutRow<T>>, StoreError> {
        let found = newest_first().all(&self.read).await;
        found.map_err(during("list rollouts"))?.into_iter().map(rollout_of).collect()
    }
}

fn newest_first() -> Select<Entity> {
    Entity::find().order_by_desc(Column::MadeAt).order_by_asc(Column::Name)
}

fn rollout_of<T: DeserializeOwned>(row: Model) -> Result<RolloutRow<T>, StoreError> {
    let at = At { table: "rollouts", key: &row.name };
    Ok(RolloutRow {
        name: at.parse(&row.name)?,
        version: at.count(row.version)?,
        made_at: at.moment(row.made_at)?,
        body: at.json(&row.body)?,
    })
}
