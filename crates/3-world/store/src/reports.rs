//! The last word of each host on its order.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::{HostName, RolloutName};
use refit_protocol::agent::OrderReport;
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};
use std::collections::BTreeMap;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_reports")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) rollout: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        pub(crate) received_at: i64,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity};

impl Store {
    /// Replaces what a host said last about its order.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_report(
        &self,
        host: &HostName,
        report: &OrderReport,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = At { table: "order_reports", key: host.as_str() };
        let row = ActiveModel {
            rollout: Set(report.key.rollout.to_string()),
            host: Set(host.to_string()),
            received_at: Set(now.as_millisecond()),
            body: Set(at.text(report)?),
        };
        let replace = OnConflict::columns([Column::Rollout, Column::Host])
            .update_columns([Column::ReceivedAt, Column::Body])
            .to_owned();
        let put =
            Entity::insert(row).on_conflict(replace).exec_without_returning(&self.write).await;
        put.map_err(during("keep a host's report"))?;
        Ok(())
    }

    /// What each host of a rollout said last.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn reports(
        &self,
        rollout: &RolloutName,
    ) -> Result<BTreeMap<HostName, OrderReport>, StoreError> {
        let found =
            Entity::find().filter(Column::Rollout.eq(rollout.as_str())).all(&self.read).await;
        let rows = found.map_err(during("read reports"))?;
        let pairs = rows.into_iter().map(|row| {
            let at = At { table: "order_reports", key: &row.host };
            Ok((at.parse(&row.host)?, at.json(&row.body)?))
        });
        pairs.collect()
    }
}
