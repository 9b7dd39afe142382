//! How long finished runs took, per host and pack: what later plans estimate from.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::{Digest, HostName, RoleName, RolloutName};
use sea_orm::{
    ActiveValue::Set, QueryOrder as _, QuerySelect as _, entity::prelude::*, sea_query::OnConflict,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "run_times")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) rollout: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) pack: String,
        pub(crate) role: String,
        pub(crate) undone: i64,
        pub(crate) took_ms: i64,
        pub(crate) finished_at: i64,
        pub(crate) journal_head: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// Rows that estimates are made from, the newest: enough for a percentile, few enough to read with every plan.
const ROWS_MAX: u64 = 100_000;

/// One pack on one host, with where its proof is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTimeRow {
    /// The campaign.
    pub rollout: RolloutName,
    /// The host.
    pub host: HostName,
    /// The pack's record.
    pub pack: Digest,
    /// What the host does.
    pub role: RoleName,
    /// Whether it went back; then `took_ms` is the time of the way back.
    pub undone: bool,
    /// Milliseconds.
    pub took_ms: u64,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The last entry of the host's journal: the evidence.
    pub journal_head: Digest,
}

impl Store {
    /// Keeps how long a run took; one that is kept already is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_run_time(&self, run: &RunTimeRow) -> Result<(), StoreError> {
        let at = At { table: "run_times", key: run.host.as_str() };
        let stored = ActiveModel {
            rollout: Set(run.rollout.to_string()),
            host: Set(run.host.to_string()),
            pack: Set(run.pack.to_string()),
            role: Set(run.role.to_string()),
            undone: Set(i64::from(run.undone)),
            took_ms: Set(at.stored(run.took_ms)?),
            finished_at: Set(run.finished_at.as_millisecond()),
            journal_head: Set(run.journal_head.to_string()),
        };
        let keep = OnConflict::columns([Column::Rollout, Column::Host, Column::Pack])
            .do_nothing()
            .to_owned();
        match Entity::insert(stored).on_conflict(keep).exec_without_returning(&self.write).await {
            Ok(_) | Err(DbErr::RecordNotInserted) => Ok(()),
            Err(error) => Err(during("keep how long a run took")(error)),
        }
    }

    /// How long runs took, the newest first, at most 100,000.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn run_times(&self) -> Result<Vec<RunTimeRow>, StoreError> {
        let found =
            Entity::find().order_by_desc(Column::FinishedAt).limit(ROWS_MAX).all(&self.read).await;
        found.map_err(during("read how long runs took"))?.into_iter().map(run_of).collect()
    }
}

fn run_of(row: Model) -> Result<RunTimeRow, StoreError> {
    let at = At { table: "run_times", key: &row.host };
    Ok(RunTimeRow {
        rollout: at.parse(&row.rollout)?,
        host: at.parse(&row.host)?,
        pack: at.parse(&row.pack)?,
        role: at.parse(&row.role)?,
        undone: row.undone != 0,
        took_ms: u64::try_from(row.took_ms).unwrap_or(0),
        finished_at: at.moment(row.finished_at)?,
        journal_head: at.parse(&row.journal_head)?,
    })
}
