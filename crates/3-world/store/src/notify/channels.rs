//! Who hears of events.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::PersonName;
use refit_protocol::v1::{ChannelTarget, EventKind};
use sea_orm::{ActiveValue::Set, QueryOrder as _, entity::prelude::*};
use std::collections::BTreeSet;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notify_channels")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) target: String,
        pub(crate) events: String,
        pub(crate) secret: String,
        pub(crate) made_by: String,
        pub(crate) made_at: i64,
        pub(crate) disabled: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its identifier.
    pub id: String,
    /// Where.
    pub target: ChannelTarget,
    /// Which events.
    pub events: BTreeSet<EventKind>,
    /// Signing secret or password, sealed by the server; empty when there is none.
    pub secret: String,
    /// Who made it.
    pub made_by: PersonName,
    /// When.
    pub made_at: Timestamp,
    /// Why nothing is sent there any more, if so.
    pub disabled: Option<String>,
}

impl Store {
    /// Keeps a new channel.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_channel(&self, channel: &ChannelRow) -> Result<(), StoreError> {
        let at = At { table: "notify_channels", key: &channel.id };
        let row = ActiveModel {
            id: Set(channel.id.clone()),
            target: Set(at.text(&channel.target)?),
            events: Set(at.text(&channel.events)?),
            secret: Set(channel.secret.clone()),
            made_by: Set(channel.made_by.to_string()),
            made_at: Set(channel.made_at.as_millisecond()),
            disabled: Set(channel.disabled.clone().unwrap_or_default()),
        };
        let added = Entity::insert(row).exec_without_returning(&self.write).await;
        added.map_err(during("keep a channel"))?;
        Ok(())
    }

    /// All channels, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        let found = Entity::find()
            .order_by_asc(Column::MadeAt)
            .order_by_asc(Column::Id)
            .all(&self.read)
            .await;
        found.map_err(during("list channels"))?.into_iter().map(channel_of).collect()
    }

    /// Forgets a channel.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub async fn remove_channel(&self, id: &str) -> Result<(), StoreError> {
        let removed = Entity::delete_by_id(id.to_owned()).exec(&self.write).await;
        match removed.map_err(during("remove a channel"))?.rows_affected {
            0 => Err(StoreError::Missing { what: "channel", key: id.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Sends nothing there any more.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn disable_channel(&self, id: &str, because: &str) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::Disabled, Expr::value(because))
            .filter(Column::Id.eq(id))
            .exec(&self.write)
            .await
            .map_err(during("disable a channel"))?;
        Ok(())
    }
}

fn channel_of(row: Model) -> Result<ChannelRow, StoreError> {
    let at = At { table: "notify_channels", key: &row.id };
    Ok(ChannelRow {
        target: at.json(&row.target)?,
        events: at.json(&row.events)?,
        made_by: at.parse(&row.made_by)?,
        made_at: at.moment(row.made_at)?,
        disabled: Some(row.disabled.clone()).filter(|because| !because.is_empty()),
        secret: row.secret.clone(),
        id: row.id.clone(),
    })
}
