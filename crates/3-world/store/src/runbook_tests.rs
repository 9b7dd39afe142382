//! Dry runs of runbooks that hosts are asked for.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::HostName;
use refit_protocol::{runbook_test::RunbookTestDone, v1::RunbookTestView};
use sea_orm::{ActiveValue::Set, QueryOrder, entity::prelude::*};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "runbook_tests")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i64,
        pub(crate) host: String,
        pub(crate) asked_at: i64,
        pub(crate) open: i64,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

impl Store {
    /// Keeps a request; its number is chosen by the caller and not given twice.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_runbook_test(&self, asked: &RunbookTestView) -> Result<(), StoreError> {
        let at = At { table: "runbook_tests", key: asked.host.as_str() };
        let row = ActiveModel {
            // Numbers have 53 bits.
            id: Set(i64::try_from(asked.request.id).unwrap_or(i64::MAX)),
            host: Set(asked.host.to_string()),
            asked_at: Set(asked.asked_at.as_millisecond()),
            open: Set(1),
            body: Set(at.text(asked)?),
        };
        let added = Entity::insert(row).exec_without_returning(&self.write).await;
        added.map(drop).map_err(during("keep a dry run"))
    }

    /// Requests that no host has ended, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn open_runbook_tests(&self) -> Result<Vec<RunbookTestView>, StoreError> {
        let open = Entity::find().filter(Column::Open.eq(1)).order_by_asc(Column::AskedAt);
        let rows = open.all(&self.read).await.map_err(during("read dry runs"))?;
        rows.into_iter().map(view).collect()
    }

    /// One request with its end.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn runbook_test(&self, id: u64) -> Result<Option<RunbookTestView>, StoreError> {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        let row = Entity::find_by_id(id).one(&self.read).await;
        row.map_err(during("read a dry run"))?.map(view).transpose()
    }

    /// Takes a dry run's end; false when this host has no such one open.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn end_runbook_test(
        &self,
        host: &HostName,
        done: &RunbookTestDone,
    ) -> Result<bool, StoreError> {
        let Some(mut known) = self.runbook_test(done.id).await? else { return Ok(false) };
        if known.host != *host || known.done.is_some() {
            return Ok(false);
        }
        known.done = Some(done.clone());
        let at = At { table: "runbook_tests", key: host.as_str() };
        let change =
            ActiveModel { open: Set(0), body: Set(at.text(&known)?), ..Default::default() };
        let ended = Entity::update_many()
            .set(change)
            .filter(Column::Id.eq(i64::try_from(done.id).unwrap_or(i64::MAX)));
        ended.exec(&self.write).await.map_err(during("end a dry run"))?;
        Ok(true)
    }

    /// Forgets dry runs from before `then`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_runbook_tests(&self, then: Timestamp) -> Result<(), StoreError> {
        let old = Entity::delete_many().filter(Column::AskedAt.lt(then.as_millisecond()));
        old.exec(&self.write).await.map(drop).map_err(during("forget dry runs"))
    }
}

fn view(row: Model) -> Result<RunbookTestView, StoreError> {
    At { table: "runbook_tests", key: &row.host }.json(&row.body)
}
