//! Final certificates: written once, never changed.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::{Digest, HostName, RolloutName};
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "certificates")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) rollout: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        pub(crate) name: String,
        pub(crate) evidence: String,
        pub(crate) final_at: i64,
        pub(crate) envelope: String,
        pub(crate) pdf: Vec<u8>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity};

/// A final certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// `SITE - SERVER - DATE`.
    pub name: String,
    /// SHA-256 of the evidence.
    pub evidence: Digest,
    /// When it became final.
    pub final_at: Timestamp,
    /// The signed statement: a DSSE envelope, JSON.
    pub envelope: String,
    /// The document for people.
    pub pdf: Vec<u8>,
}

impl Store {
    /// Keeps a final certificate. When there is one already, that one stays.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_certificate(
        &self,
        rollout: &RolloutName,
        host: &HostName,
        certificate: &CertificateRow,
    ) -> Result<(), StoreError> {
        let row = ActiveModel {
            rollout: Set(rollout.to_string()),
            host: Set(host.to_string()),
            name: Set(certificate.name.clone()),
            evidence: Set(certificate.evidence.to_string()),
            final_at: Set(certificate.final_at.as_millisecond()),
            envelope: Set(certificate.envelope.clone()),
            pdf: Set(certificate.pdf.clone()),
        };
        let once = OnConflict::columns([Column::Rollout, Column::Host]).do_nothing().to_owned();
        let added = Entity::insert(row).on_conflict(once).exec_without_returning(&self.write).await;
        added.map_err(during("keep a certificate"))?;
        Ok(())
    }

    /// The final certificate of a host, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn certificate(
        &self,
        rollout: &RolloutName,
        host: &HostName,
    ) -> Result<Option<CertificateRow>, StoreError> {
        let key = (rollout.to_string(), host.to_string());
        let found = Entity::find_by_id(key).one(&self.read).await;
        let Some(row) = found.map_err(during("read a certificate"))? else { return Ok(None) };
        let at = At { table: "certificates", key: host.as_str() };
        Ok(Some(CertificateRow {
            name: row.name,
            evidence: at.parse(&row.evidence)?,
            final_at: at.moment(row.final_at)?,
            envelope: row.envelope,
            pdf: row.pdf,
        }))
    }

    /// The hosts of a rollout whose certificate is final.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn certified(&self, rollout: &RolloutName) -> Result<Vec<HostName>, StoreError> {
        use sea_orm::{QueryOrder as _, QuerySelect as _};
        let found: Vec<String> = Entity::find()
            .select_only()
            .column(Column::Host)
            .filter(Column::Rollout.eq(rollout.as_str()))
            .order_by_asc(Column::Host)
            .into_tuple()
            .all(&self.read)
            .await
            .map_err(during("list certificates"))?;
        let at = At { table: "certificates", key: rollout.as_str() };
        found.iter().map(|host| at.parse(host)).collect()
    }
}
