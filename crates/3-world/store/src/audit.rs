//! Who did what, and when: a hash chain that shows every later change.

use crate::{Store, StoreError, dialect, error::during, text::At};
use jiff::Timestamp;
use refit_names::Digest;
use sea_orm::{ActiveValue::Set, QueryOrder as _, QuerySelect as _, entity::prelude::*};
use serde::{Deserialize, Serialize};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) seq: i64,
        pub(crate) at: i64,
        pub(crate) who: String,
        pub(crate) what: String,
        pub(crate) details: String,
        pub(crate) prev: String,
        pub(crate) hash: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// Rows read at a time while the chain is checked: bounds memory.
const CHECK_PAGE: u64 = 1000;

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What, such as `rollout.agree`.
    pub what: String,
    /// JSON text: to what, with which values. Never a secret.
    pub details: String,
    /// The hash of the act before; [`Digest::ZERO`] for the first.
    pub prev: Digest,
    /// SHA-256 over the compact JSON of the other fields.
    pub hash: Digest,
}

/// What the hash covers, in this order.
#[derive(Serialize)]
struct Hashed<'a>(u64, i64, &'a str, &'a str, &'a str, &'a Digest);

impl Store {
    /// Appends an act to the log.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit(
        &self,
        who: &str,
        what: &str,
        details: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        dialect::lock_chains(self.engine, &transaction).await?;
        let last = Entity::find().order_by_desc(Column::Seq).one(&transaction).await;
        let last =
            last.map_err(during("read the end of the audit log"))?.map(act_of).transpose()?;
        let (seq, prev) = last.map_or((1, Digest::ZERO), |last| (last.seq + 1, last.hash));
        let at = At { table: "audit", key: "end" };
        let at_ms = now.as_millisecond();
        let hash = hash_of(&Hashed(seq, at_ms, who, what, details, &prev))?;
        let row = ActiveModel {
            seq: Set(at.stored(seq)?),
            at: Set(at_ms),
            who: Set(who.to_owned()),
            what: Set(what.to_owned()),
            details: Set(details.to_owned()),
            prev: Set(prev.to_string()),
            hash: Set(hash.to_string()),
        };
        let added = Entity::insert(row).exec_without_returning(&transaction).await;
        added.map_err(during("append to the audit log"))?;
        transaction.commit().await.map_err(during("append to the audit log"))
    }

    /// Acts after `seq`, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn audit_after(&self, seq: u64, limit: u64) -> Result<Vec<AuditRow>, StoreError> {
        let at = At { table: "audit", key: "page" };
        let found = Entity::find()
            .filter(Column::Seq.gt(at.stored(seq)?))
            .order_by_asc(Column::Seq)
            .limit(limit)
            .all(&self.read)
            .await;
        found.map_err(during("read the audit log"))?.into_iter().map(act_of).collect()
    }

    /// Checks the whole chain; returns how many acts it has.
    ///
    /// # Errors
    /// [`StoreError::ChainBroken`] at the first act that was changed, added or taken out.
    pub async fn check_audit(&self) -> Result<u64, StoreError> {
        let (mut seq, mut prev) = (0, Digest::ZERO);
        loop {
            let page = self.audit_after(seq, CHECK_PAGE).await?;
            if page.is_empty() {
                return Ok(seq);
            }
            for act in page {
                let hashed = Hashed(
                    seq + 1,
                    act.at.as_millisecond(),
                    &act.who,
                    &act.what,
                    &act.details,
                    &prev,
                );
                let expected = hash_of(&hashed)?;
                if act.hash != expected {
                    let chain = "audit".to_owned();
                    return Err(StoreError::ChainBroken {
                        chain,
                        seq: seq + 1,
                        expected,
                        found: act.hash,
                    });
                }
                (seq, prev) = (act.seq, act.hash);
            }
        }
    }
}

fn hash_of(hashed: &Hashed<'_>) -> Result<Digest, StoreError> {
    let text = At { table: "audit", key: "end" }.text(hashed)?;
    Ok(Digest::of(text.as_bytes()))
}

fn act_of(row: Model) -> Result<AuditRow, StoreError> {
    let key = row.seq.to_string();
    let at = At { table: "audit", key: &key };
    Ok(AuditRow {
        seq: at.count(row.seq)?,
        at: at.moment(row.at)?,
        who: row.who,
        what: row.what,
        details: row.details,
        prev: at.parse(&row.prev)?,
        hash: at.parse(&row.hash)?,
    })
}
