//! Events, and the keys of what was found before.

use super::deliveries;
use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_protocol::v1::{EventKind, Finding};
use sea_orm::{
    ActiveValue::Set, QueryOrder as _, QuerySelect as _, entity::prelude::*, sea_query::OnConflict,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notify_events")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) kind: String,
        pub(crate) at: i64,
        pub(crate) findings: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

mod key {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notify_findings")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) key: String,
        pub(crate) event: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its identifier.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// When it was found.
    pub at: Timestamp,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Store {
    /// Makes an event of those `findings` whose key nobody took yet, with a delivery to each of `channels`. None: all were known.
    ///
    /// All of it is one transaction: a finding whose key is taken has its event and its deliveries.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn announce(
        &self,
        id: &str,
        kind: EventKind,
        findings: &[(String, Finding)],
        channels: &[String],
        now: Timestamp,
    ) -> Result<Option<EventRow>, StoreError> {
        let transaction = self.begin().await?;
        let mut new = Vec::new();
        for (name, finding) in findings {
            let row = key::ActiveModel { key: Set(name.clone()), event: Set(id.to_owned()) };
            let once = OnConflict::column(key::Column::Key).do_nothing().to_owned();
            let taken =
                key::Entity::insert(row).on_conflict(once).exec_without_returning(&transaction);
            if taken.await.map_err(during("keep a finding"))? == 1 {
                new.push(finding.clone());
            }
        }
        if new.is_empty() {
            transaction.rollback().await.map_err(during("end a transaction"))?;
            return Ok(None);
        }
        let event = EventRow { id: id.to_owned(), kind, at: now, findings: new };
        let at = At { table: "notify_events", key: id };
        let row = row::ActiveModel {
            id: Set(event.id.clone()),
            kind: Set(kind.name().to_owned()),
            at: Set(now.as_millisecond()),
            findings: Set(at.text(&event.findings)?),
        };
        row::Entity::insert(row)
            .exec_without_returning(&transaction)
            .await
            .map_err(during("keep an event"))?;
        for channel in channels {
            deliveries::add(&transaction, id, channel, now).await?;
        }
        transaction.commit().await.map_err(during("keep an event"))?;
        Ok(Some(event))
    }

    /// Forgets that something was found, so that it is told again when it comes back.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_findings(&self, prefix: &str) -> Result<(), StoreError> {
        key::Entity::delete_many()
            .filter(key::Column::Key.starts_with(prefix))
            .exec(&self.write)
            .await
            .map_err(during("forget a finding"))?;
        Ok(())
    }

    /// The newest events.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn events(&self, limit: u64) -> Result<Vec<EventRow>, StoreError> {
        let found = row::Entity::find()
            .order_by_desc(row::Column::At)
            .order_by_asc(row::Column::Id)
            .limit(limit)
            .all(&self.read)
            .await;
        found.map_err(during("list events"))?.into_iter().map(event_of).collect()
    }

    /// One event.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub async fn event(&self, id: &str) -> Result<EventRow, StoreError> {
        let found = row::Entity::find_by_id(id.to_owned()).one(&self.read).await;
        let missing = || StoreError::Missing { what: "event", key: id.to_owned() };
        found.map_err(during("read an event"))?.ok_or_else(missing).and_then(event_of)
    }
}

fn event_of(row: row::Model) -> Result<EventRow, StoreError> {
    let at = At { table: "notify_events", key: &row.id };
    Ok(EventRow {
        // The names on the wire are JSON strings without anything to escape.
        kind: at.json(&format!("\"{}\"", row.kind))?,
        at: at.moment(row.at)?,
        findings: at.json(&row.findings)?,
        id: row.id.clone(),
    })
}
