//! The last word of each host on its order.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::{Digest, HostName, RolloutName};
use refit_protocol::agent::OrderReport;
use sea_orm::{ActiveValue::Set, QuerySelect as _, entity::prelude::*, sea_query::OnConflict};
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
        pub(crate) digest: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// Reports that are asked for by name in one query: below every engine's limit of parameters.
const NAMED_MAX: usize = 500;

/// A host's last word that the asker did not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// Whose.
    pub host: HostName,
    /// What tells it from another; empty when it was stored by a version that had none.
    pub digest: String,
    /// The report.
    pub report: OrderReport,
}

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
        let body = at.text(report)?;
        let row = ActiveModel {
            digest: Set(Digest::of(body.as_bytes()).to_string()),
            rollout: Set(report.key.rollout.to_string()),
            host: Set(host.to_string()),
            received_at: Set(now.as_millisecond()),
            body: Set(body),
        };
        let replace = OnConflict::columns([Column::Rollout, Column::Host])
            .update_columns([Column::ReceivedAt, Column::Body, Column::Digest])
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
            let new = new_report(row)?;
            Ok((new.host, new.report))
        });
        pairs.collect()
    }

    /// Of these the ones whose digest is not the one that is `known`: whoever carries a campaign on asks again and again.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn new_reports(
        &self,
        rollout: &RolloutName,
        known: impl Fn(&HostName, &str) -> bool + Send,
    ) -> Result<Vec<NewReport>, StoreError> {
        let of_rollout = || Entity::find().filter(Column::Rollout.eq(rollout.as_str()));
        let listed = of_rollout().select_only().columns([Column::Host, Column::Digest]);
        let listed: Vec<(String, String)> =
            listed.into_tuple().all(&self.read).await.map_err(during("list reports"))?;
        let mut changed = Vec::new();
        for (host, digest) in listed {
            let name = At { table: "order_reports", key: &host }.parse(&host)?;
            if digest.is_empty() || !known(&name, &digest) {
                changed.push(host);
            }
        }
        let mut new = Vec::with_capacity(changed.len());
        for hosts in changed.chunks(NAMED_MAX) {
            let found = of_rollout().filter(Column::Host.is_in(hosts)).all(&self.read).await;
            for row in found.map_err(during("read reports"))? {
                new.push(new_report(row)?);
            }
        }
        Ok(new)
    }
}

fn new_report(row: Model) -> Result<NewReport, StoreError> {
    let at = At { table: "order_reports", key: &row.host };
    Ok(NewReport { host: at.parse(&row.host)?, report: at.json(&row.body)?, digest: row.digest })
}
