//! Backups outside an upgrade: schedules, what hosts are asked for, what they said last.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::HostName;
use refit_protocol::{
    backup::BackupReport,
    v1::{BackupRequestView, BackupScheduleView},
};
use sea_orm::{ActiveValue::Set, QueryOrder, entity::prelude::*, sea_query::OnConflict};
use std::collections::BTreeMap;

mod schedule {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "backup_schedules")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

mod request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "backup_requests")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i64,
        pub(crate) host: String,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

mod report {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "backup_reports")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        pub(crate) said_at: i64,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Sets a schedule by its name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_backup_schedule(
        &self,
        schedule: &BackupScheduleView,
    ) -> Result<(), StoreError> {
        let at = At { table: "backup_schedules", key: &schedule.name };
        let row = schedule::ActiveModel {
            name: Set(schedule.name.clone()),
            body: Set(at.text(schedule)?),
        };
        let replace = OnConflict::column(schedule::Column::Name)
            .update_column(schedule::Column::Body)
            .to_owned();
        let insert = schedule::Entity::insert(row).on_conflict(replace);
        let put = insert.exec_without_returning(&self.write).await;
        put.map(drop).map_err(during("keep a backup schedule"))
    }

    /// All schedules, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn backup_schedules(&self) -> Result<Vec<BackupScheduleView>, StoreError> {
        let ordered = schedule::Entity::find().order_by_asc(schedule::Column::Name);
        let rows = ordered.all(&self.read).await.map_err(during("read backup schedules"))?;
        let read =
            |row: schedule::Model| At { table: "backup_schedules", key: &row.name }.json(&row.body);
        rows.into_iter().map(read).collect()
    }

    /// Removes a schedule; false when there was none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_backup_schedule(&self, name: &str) -> Result<bool, StoreError> {
        let gone = schedule::Entity::delete_by_id(name.to_owned()).exec(&self.write).await;
        Ok(gone.map_err(during("remove a backup schedule"))?.rows_affected > 0)
    }

    /// Keeps a request; its number is chosen by the caller and not given twice.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_backup_request(&self, asked: &BackupRequestView) -> Result<(), StoreError> {
        let at = At { table: "backup_requests", key: asked.host.as_str() };
        let row = request::ActiveModel {
            // Numbers have 53 bits.
            id: Set(i64::try_from(asked.id).unwrap_or(i64::MAX)),
            host: Set(asked.host.to_string()),
            body: Set(at.text(asked)?),
        };
        let added = request::Entity::insert(row).exec_without_returning(&self.write).await;
        added.map(drop).map_err(during("keep a backup request"))
    }

    /// Open requests, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn backup_requests(&self) -> Result<Vec<BackupRequestView>, StoreError> {
        let rows = request::Entity::find().all(&self.read).await;
        let rows = rows.map_err(during("read backup requests"))?;
        let read = |row: request::Model| -> Result<BackupRequestView, StoreError> {
            At { table: "backup_requests", key: &row.host }.json(&row.body)
        };
        let mut found = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|asked| (asked.asked_at, asked.id));
        Ok(found)
    }

    /// Takes what a host says; requests whose end it tells are closed with it.
    ///
    /// The answer: whether a request was closed by it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_backup_report(
        &self,
        host: &HostName,
        said: &BackupReport,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let at = At { table: "backup_reports", key: host.as_str() };
        let row = report::ActiveModel {
            host: Set(host.to_string()),
            said_at: Set(now.as_millisecond()),
            body: Set(at.text(said)?),
        };
        let transaction = self.begin().await?;
        let replace = OnConflict::column(report::Column::Host)
            .update_columns([report::Column::SaidAt, report::Column::Body])
            .to_owned();
        let insert = report::Entity::insert(row).on_conflict(replace);
        let put = insert.exec_without_returning(&transaction).await;
        put.map_err(during("keep what a host said of its backups"))?;
        let done = said.done.iter().filter_map(|done| i64::try_from(done.id).ok());
        let closed = request::Entity::delete_many()
            .filter(request::Column::Host.eq(host.as_str()))
            .filter(request::Column::Id.is_in(done));
        let closed = closed.exec(&transaction).await.map_err(during("close backup requests"))?;
        let committed = transaction.commit().await;
        committed.map_err(during("keep what a host said of its backups"))?;
        Ok(closed.rows_affected > 0)
    }

    /// What hosts said last, with when.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn backup_reports(
        &self,
    ) -> Result<BTreeMap<HostName, (Timestamp, BackupReport)>, StoreError> {
        let rows = report::Entity::find().all(&self.read).await;
        let rows = rows.map_err(during("read what hosts said of their backups"))?;
        let read = |row: report::Model| {
            let at = At { table: "backup_reports", key: &row.host };
            Ok((at.parse(&row.host)?, (at.moment(row.said_at)?, at.json(&row.body)?)))
        };
        rows.into_iter().map(read).collect()
    }
}
