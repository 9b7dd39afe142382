//! What named parties signed.

use crate::{Store, StoreError, error::during, text::At};
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::PartySignature;
use sea_orm::{ActiveValue::Set, QueryOrder as _, entity::prelude::*, sea_query::OnConflict};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "signatures")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) rollout: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) party: String,
        pub(crate) person: String,
        pub(crate) signed_at: i64,
        pub(crate) remark: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

impl Store {
    /// Keeps a party's signature; returns whether it is new. A party signs once, the first word stands.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_signature(
        &self,
        rollout: &RolloutName,
        host: &HostName,
        signature: &PartySignature,
    ) -> Result<bool, StoreError> {
        let at = At { table: "signatures", key: host.as_str() };
        let row = ActiveModel {
            rollout: Set(rollout.to_string()),
            host: Set(host.to_string()),
            party: Set(at.text(&signature.party)?),
            person: Set(signature.person.to_string()),
            signed_at: Set(signature.at.as_millisecond()),
            remark: Set(signature.remark.clone()),
        };
        let once = OnConflict::columns([Column::Rollout, Column::Host, Column::Party])
            .do_nothing()
            .to_owned();
        let added = Entity::insert(row).on_conflict(once).exec_without_returning(&self.write).await;
        Ok(added.map_err(during("keep a signature"))? == 1)
    }

    /// All signatures of a rollout with their hosts, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn signatures(
        &self,
        rollout: &RolloutName,
    ) -> Result<Vec<(HostName, PartySignature)>, StoreError> {
        let found = Entity::find()
            .filter(Column::Rollout.eq(rollout.as_str()))
            .order_by_asc(Column::SignedAt)
            .order_by_asc(Column::Party)
            .all(&self.read)
            .await;
        found.map_err(during("read signatures"))?.into_iter().map(signature_of).collect()
    }
}

fn signature_of(row: Model) -> Result<(HostName, PartySignature), StoreError> {
    let at = At { table: "signatures", key: &row.host };
    let signature = PartySignature {
        party: at.json(&row.party)?,
        person: at.parse(&row.person)?,
        at: at.moment(row.signed_at)?,
        remark: row.remark,
    };
    Ok((at.parse(&row.host)?, signature))
}
