//! People and service accounts with what they may do.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::{Digest, PersonName};
use refit_protocol::v1::Right;
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};
use std::collections::BTreeSet;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) rights: String,
        pub(crate) token_hash: String,
        pub(crate) made_at: i64,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// A person as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Name.
    pub name: PersonName,
    /// Rights.
    pub rights: BTreeSet<Right>,
    /// SHA-256 of the bearer token: the token itself is nowhere.
    pub token_hash: Digest,
    /// Since when.
    pub made_at: Timestamp,
}

impl Store {
    /// Adds a person.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken.
    pub async fn add_user(&self, user: &UserRow) -> Result<(), StoreError> {
        let at = At { table: "users", key: user.name.as_str() };
        let row = ActiveModel {
            name: Set(user.name.to_string()),
            rights: Set(at.text(&user.rights)?),
            token_hash: Set(user.token_hash.to_string()),
            made_at: Set(user.made_at.as_millisecond()),
        };
        let added = Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
            .exec_without_returning(&self.write)
            .await
            .map_err(during("add a user"))?;
        match added {
            0 => Err(StoreError::Exists { what: "user", key: user.name.to_string() }),
            _ => Ok(()),
        }
    }

    /// The person whose token has this hash. The hash is the key of the look-up, so its time says nothing about tokens.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn user_by_token(&self, token_hash: &Digest) -> Result<Option<UserRow>, StoreError> {
        let found = Entity::find()
            .filter(Column::TokenHash.eq(token_hash.to_string()))
            .one(&self.read)
            .await
            .map_err(during("look up a user"))?;
        found.map(UserRow::try_from).transpose()
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        use sea_orm::QueryOrder as _;
        let found = Entity::find().order_by_asc(Column::Name).all(&self.read).await;
        found.map_err(during("list users"))?.into_iter().map(UserRow::try_from).collect()
    }
}

impl TryFrom<Model> for UserRow {
    type Error = StoreError;
    fn try_from(row: Model) -> Result<Self, StoreError> {
        let at = At { table: "users", key: &row.name };
        Ok(Self {
            name: at.parse(&row.name)?,
            rights: at.json(&row.rights)?,
            token_hash: at.parse(&row.token_hash)?,
            made_at: at.moment(row.made_at)?,
        })
    }
}
