//! What became of each event on its way to each channel.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_protocol::v1::DeliveryState;
use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, QueryOrder as _, QuerySelect as _, entity::prelude::*,
    sea_query::OnConflict,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notify_deliveries")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) event: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) channel: String,
        pub(crate) state: String,
        pub(crate) attempts: i64,
        pub(crate) last_at: i64,
        pub(crate) next_at: i64,
        pub(crate) problem: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

const PENDING: &str = "pending";

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The event's identifier.
    pub event: String,
    /// The channel's identifier.
    pub channel: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u64,
    /// The last try.
    pub last_at: Option<Timestamp>,
    /// The next one.
    pub next_at: Timestamp,
    /// Why the last one failed.
    pub problem: Option<String>,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It was taken.
    Delivered,
    /// It is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// Why it failed.
        problem: String,
    },
    /// It is given up.
    Failed {
        /// Why it failed.
        problem: String,
    },
}

/// Notes that an event is for a channel.
pub(super) async fn add(
    transaction: &DatabaseTransaction,
    event: &str,
    channel: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        event: Set(event.to_owned()),
        channel: Set(channel.to_owned()),
        state: Set(PENDING.to_owned()),
        attempts: Set(0),
        last_at: Set(0),
        next_at: Set(now.as_millisecond()),
        problem: Set(String::new()),
    };
    let once = OnConflict::columns([Column::Event, Column::Channel]).do_nothing().to_owned();
    let added = Entity::insert(row).on_conflict(once).exec_without_returning(transaction).await;
    added.map_err(during("keep a delivery"))?;
    Ok(())
}

impl Store {
    /// Deliveries whose time has come, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn due_deliveries(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let found = Entity::find()
            .filter(Column::State.eq(PENDING))
            .filter(Column::NextAt.lte(now.as_millisecond()))
            .order_by_asc(Column::NextAt)
            .limit(limit)
            .all(&self.read)
            .await;
        found.map_err(during("list deliveries"))?.into_iter().map(delivery_of).collect()
    }

    /// Takes a delivery for one try: nobody else tries it before `until`. False: somebody else has it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn claim_delivery(
        &self,
        delivery: &DeliveryRow,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let at = At { table: "notify_deliveries", key: &delivery.event };
        let claimed = Entity::update_many()
            .col_expr(Column::Attempts, Expr::value(at.stored(delivery.attempts + 1)?))
            .col_expr(Column::LastAt, Expr::value(now.as_millisecond()))
            .col_expr(Column::NextAt, Expr::value(until.as_millisecond()))
            .filter(Column::Event.eq(&delivery.event))
            .filter(Column::Channel.eq(&delivery.channel))
            .filter(Column::State.eq(PENDING))
            .filter(Column::Attempts.eq(at.stored(delivery.attempts)?))
            .exec(&self.write)
            .await
            .map_err(during("claim a delivery"))?;
        Ok(claimed.rows_affected == 1)
    }

    /// Writes down how a try ended.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn tried_delivery(
        &self,
        delivery: &DeliveryRow,
        tried: &Tried,
    ) -> Result<(), StoreError> {
        let (state, next_at, problem) = match tried {
            Tried::Delivered => ("delivered", 0, ""),
            Tried::Again { at, problem } => (PENDING, at.as_millisecond(), problem.as_str()),
            Tried::Failed { problem } => ("failed", 0, problem.as_str()),
        };
        Entity::update_many()
            .col_expr(Column::State, Expr::value(state))
            .col_expr(Column::NextAt, Expr::value(next_at))
            .col_expr(Column::Problem, Expr::value(problem))
            .filter(Column::Event.eq(&delivery.event))
            .filter(Column::Channel.eq(&delivery.channel))
            .exec(&self.write)
            .await
            .map_err(during("write down a delivery"))?;
        Ok(())
    }

    /// All deliveries of some events.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn deliveries(&self, events: &[String]) -> Result<Vec<DeliveryRow>, StoreError> {
        let found = Entity::find()
            .filter(Column::Event.is_in(events.iter().cloned()))
            .order_by_asc(Column::Event)
            .order_by_asc(Column::Channel)
            .all(&self.read)
            .await;
        found.map_err(during("list deliveries"))?.into_iter().map(delivery_of).collect()
    }
}

fn delivery_of(row: Model) -> Result<DeliveryRow, StoreError> {
    let at = At { table: "notify_deliveries", key: &row.event };
    let last_at = (row.last_at > 0).then(|| at.moment(row.last_at)).transpose()?;
    Ok(DeliveryRow {
        state: at.json(&format!("\"{}\"", row.state))?,
        attempts: at.count(row.attempts)?,
        last_at,
        next_at: at.moment(row.next_at)?,
        problem: Some(row.problem.clone()).filter(|problem| !problem.is_empty()),
        event: row.event.clone(),
        channel: row.channel.clone(),
    })
}
