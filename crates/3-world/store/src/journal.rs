//! The server's copy of each host's journal: contiguous, and its hash chain checked before it is stored.

use crate::{Store, StoreError, error::during, text::At};
use refit_journal::Entry;
use refit_names::{Digest, HostName};
use sea_orm::{ActiveValue::Set, QueryOrder as _, QuerySelect as _, entity::prelude::*};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal_entries")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) seq: i64,
        pub(crate) hash: String,
        pub(crate) body: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity};

/// The end of a host's journal as the server holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    /// The last entry; 0 for none.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Store {
    /// Where a host's journal ends.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn journal_head(&self, host: &HostName) -> Result<JournalHead, StoreError> {
        head(&self.read, host).await
    }

    /// Appends entries that are not here yet. Entries that are here already are skipped, so a repeated report changes
    /// nothing. Returns the new end.
    ///
    /// # Errors
    /// [`StoreError::Gap`] when an entry between is missing, [`StoreError::ChainBroken`] when a hash does not fit;
    /// nothing of the batch is stored then.
    pub async fn append_journal(
        &self,
        host: &HostName,
        entries: &[Entry],
    ) -> Result<JournalHead, StoreError> {
        let transaction = self.begin().await?;
        crate::dialect::lock_chains(self.engine, &transaction).await?;
        let mut end = head(&transaction, host).await?;
        let mut rows = Vec::new();
        for entry in entries.iter().filter(|entry| entry.seq > end.seq).collect::<Vec<_>>() {
            end = next(host, end, entry)?;
            let at = At { table: "journal_entries", key: host.as_str() };
            rows.push(ActiveModel {
                host: Set(host.to_string()),
                seq: Set(at.stored(entry.seq)?),
                hash: Set(entry.hash.to_string()),
                body: Set(at.text(entry)?),
            });
        }
        if !rows.is_empty() {
            let added = Entity::insert_many(rows).exec_without_returning(&transaction).await;
            added.map_err(during("append to a journal"))?;
        }
        transaction.commit().await.map_err(during("append to a journal"))?;
        Ok(end)
    }

    /// The place of the entry with this hash in a host's journal, if it is here.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn journal_place(
        &self,
        host: &HostName,
        hash: &Digest,
    ) -> Result<Option<u64>, StoreError> {
        let found = Entity::find()
            .filter(Column::Host.eq(host.as_str()))
            .filter(Column::Hash.eq(hash.to_string()))
            .one(&self.read)
            .await;
        let at = At { table: "journal_entries", key: host.as_str() };
        found.map_err(during("look up a journal entry"))?.map(|row| at.count(row.seq)).transpose()
    }

    /// Entries of a host after `seq`, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn journal(
        &self,
        host: &HostName,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let at = At { table: "journal_entries", key: host.as_str() };
        let found = Entity::find()
            .filter(Column::Host.eq(host.as_str()))
            .filter(Column::Seq.gt(at.stored(seq)?))
            .order_by_asc(Column::Seq)
            .limit(limit)
            .all(&self.read)
            .await;
        found.map_err(during("read a journal"))?.iter().map(|row| at.json(&row.body)).collect()
    }
}

/// Checks that `entry` follows `end`.
fn next(host: &HostName, end: JournalHead, entry: &Entry) -> Result<JournalHead, StoreError> {
    if entry.seq != end.seq + 1 {
        return Err(StoreError::Gap {
            host: host.to_string(),
            expected: end.seq + 1,
            found: entry.seq,
        });
    }
    let broken = |expected, found| StoreError::ChainBroken {
        chain: format!("journal of {host}"),
        seq: entry.seq,
        expected,
        found,
    };
    if entry.prev != end.hash {
        return Err(broken(end.hash, entry.prev));
    }
    let at = At { table: "journal_entries", key: host.as_str() };
    let expected = entry.computed_hash().map_err(|source| at.damaged(source))?;
    if entry.hash != expected {
        return Err(broken(expected, entry.hash));
    }
    Ok(JournalHead { seq: entry.seq, hash: entry.hash })
}

async fn head(
    connection: &impl ConnectionTrait,
    host: &HostName,
) -> Result<JournalHead, StoreError> {
    let found = Entity::find()
        .filter(Column::Host.eq(host.as_str()))
        .order_by_desc(Column::Seq)
        .one(connection)
        .await
        .map_err(during("read the end of a journal"))?;
    let at = At { table: "journal_entries", key: host.as_str() };
    found.map_or(Ok(JournalHead { seq: 0, hash: Digest::ZERO }), |row| {
        Ok(JournalHead { seq: at.count(row.seq)?, hash: at.parse(&row.hash)? })
    })
}
