//! One-time enrolment tokens.

use crate::{Store, StoreError, error::during, text::At};
use jiff::Timestamp;
use refit_names::{Coded, Digest, ErrorClass, HostName, RoleName, SiteName};
use sea_orm::{ActiveValue::Set, Condition, entity::prelude::*, sea_query::Expr};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "enrolment_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_hash: String,
        pub(crate) host: Option<String>,
        pub(crate) site: String,
        pub(crate) role: String,
        pub(crate) expires_at: i64,
        pub(crate) used_at: Option<i64>,
        pub(crate) used_by: Option<String>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity};

/// A token that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRow {
    /// SHA-256 of the token.
    pub token_hash: Digest,
    /// Only this host may use it; none: any.
    pub host: Option<HostName>,
    /// Where the host stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Why a token was not redeemed.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// Nobody gave it out.
    #[error("enrolment token is unknown to this server")]
    Unknown,
    /// Too late.
    #[error("enrolment token expired at {expired_at}, now it is {now}")]
    Expired {
        /// When it ended.
        expired_at: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// It was used before.
    #[error(
        "enrolment token was used at {used_at} by `{used_by}`, expected a token that was never used"
    )]
    Used {
        /// When.
        used_at: Timestamp,
        /// By which host.
        used_by: String,
    },
    /// It is for another host.
    #[error("enrolment token is for host `{expected}`, found host `{found}`")]
    OtherHost {
        /// For which host it is.
        expected: String,
        /// Which host asked.
        found: HostName,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for RedeemError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "enrol.token-unknown",
            Self::Expired { .. } => "enrol.token-expired",
            Self::Used { .. } => "enrol.token-used",
            Self::OtherHost { .. } => "enrol.token-other-host",
            Self::Store(error) => error.code(),
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}

impl Store {
    /// Keeps a new token's hash.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_enrolment(&self, token: &EnrolmentRow) -> Result<(), StoreError> {
        let row = ActiveModel {
            token_hash: Set(token.token_hash.to_string()),
            host: Set(token.host.as_ref().map(ToString::to_string)),
            site: Set(token.site.to_string()),
            role: Set(token.role.to_string()),
            expires_at: Set(token.expires_at.as_millisecond()),
            used_at: Set(None),
            used_by: Set(None),
        };
        let added = Entity::insert(row).exec_without_returning(&self.write).await;
        added.map_err(during("keep an enrolment token"))?;
        Ok(())
    }

    /// Redeems a token for `host`. Of two that ask at the same moment one wins: the condition and the mark are one
    /// statement.
    ///
    /// # Errors
    /// [`RedeemError`] says which rule the token broke; nothing was changed then.
    pub async fn redeem(
        &self,
        token_hash: &Digest,
        host: &HostName,
        now: Timestamp,
    ) -> Result<(SiteName, RoleName), RedeemError> {
        let this_host =
            Condition::any().add(Column::Host.is_null()).add(Column::Host.eq(host.as_str()));
        let marked = Entity::update_many()
            .col_expr(Column::UsedAt, Expr::value(now.as_millisecond()))
            .col_expr(Column::UsedBy, Expr::value(host.as_str()))
            .filter(Column::TokenHash.eq(token_hash.to_string()))
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.as_millisecond()))
            .filter(this_host)
            .exec(&self.write)
            .await
            .map_err(during("redeem an enrolment token"))?;
        let found = Entity::find_by_id(token_hash.to_string()).one(&self.write).await;
        let row = found.map_err(during("read an enrolment token"))?.ok_or(RedeemError::Unknown)?;
        let key = token_hash.to_hex();
        let at = At { table: "enrolment_tokens", key: &key };
        if marked.rows_affected == 1 {
            return Ok((at.parse(&row.site)?, at.parse(&row.role)?));
        }
        if let Some(expected) = row.host.filter(|expected| expected != host.as_str()) {
            return Err(RedeemError::OtherHost { expected, found: host.clone() });
        }
        if let Some(used_at) = row.used_at {
            let used_by = row.used_by.unwrap_or_default();
            return Err(RedeemError::Used { used_at: at.moment(used_at)?, used_by });
        }
        Err(RedeemError::Expired { expired_at: at.moment(row.expires_at)?, now })
    }
}
