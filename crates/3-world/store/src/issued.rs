//! Certificates that the server's authority gave to agents.

use crate::{Store, StoreError, error::during};
use jiff::Timestamp;
use refit_names::HostName;
use sea_orm::{ActiveValue::Set, entity::prelude::*};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "issued")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) serial: String,
        pub(crate) host: String,
        pub(crate) issued_at: i64,
        pub(crate) not_after: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity};

/// A certificate that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedRow {
    /// Its serial number in hexadecimal digits.
    pub serial: String,
    /// For which host.
    pub host: HostName,
    /// When.
    pub issued_at: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

impl Store {
    /// Notes a certificate before it is given out.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_issued(&self, issued: &IssuedRow) -> Result<(), StoreError> {
        let row = ActiveModel {
            serial: Set(issued.serial.clone()),
            host: Set(issued.host.to_string()),
            issued_at: Set(issued.issued_at.as_millisecond()),
            not_after: Set(issued.not_after.as_millisecond()),
        };
        let added = Entity::insert(row).exec_without_returning(&self.write).await;
        added.map_err(during("note a certificate"))?;
        Ok(())
    }

    /// Forgets certificates that ended before `then`; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_issued_before(&self, then: Timestamp) -> Result<u64, StoreError> {
        let gone = Entity::delete_many()
            .filter(Column::NotAfter.lt(then.as_millisecond()))
            .exec(&self.write)
            .await
            .map_err(during("forget old certificates"))?;
        Ok(gone.rows_affected)
    }
}
