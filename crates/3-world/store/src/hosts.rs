//! The fleet: what people say of hosts, what their agents saw, when they were last heard of.

use crate::{Store, StoreError, error::during, text::At};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use refit_inventory::{HostRecord, ObservedFacts};
use refit_names::{HostName, RoleName, SiteName};
use sea_orm::{
    ActiveValue::Set,
    QueryOrder as _, QuerySelect as _, StreamTrait,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hosts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) record: String,
        pub(crate) facts: Option<String>,
        pub(crate) last_seen: Option<i64>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

impl Store {
    /// The whole fleet, by name; row by row, as [`said`] does.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn hosts(&self) -> Result<Vec<HostRecord>, StoreError> {
        let rows = Entity::find().order_by_asc(Column::Name).stream(&self.read).await;
        let mut rows = rows.map_err(during("list hosts"))?;
        let mut hosts = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(during("list hosts"))? {
            hosts.push(host_of(row)?);
        }
        Ok(hosts)
    }

    /// Hosts after `after` by name, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn hosts_after(
        &self,
        after: Option<&HostName>,
        limit: u64,
    ) -> Result<Vec<HostRecord>, StoreError> {
        let mut query = Entity::find().order_by_asc(Column::Name).limit(limit);
        if let Some(after) = after {
            query = query.filter(Column::Name.gt(after.as_str()));
        }
        let found = query.all(&self.read).await;
        found.map_err(during("list hosts"))?.into_iter().map(host_of).collect()
    }

    /// What people say of all hosts, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn said_hosts(&self) -> Result<Vec<HostRecord>, StoreError> {
        said(&self.read).await
    }

    /// One host, if it is known.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn host(&self, name: &HostName) -> Result<Option<HostRecord>, StoreError> {
        let found = Entity::find_by_id(name.to_string()).one(&self.read).await;
        found.map_err(during("read a host"))?.map(host_of).transpose()
    }

    /// Notes a host that enrolled: a new one is added, a known one gets the site and role of its token.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn enrol_host(
        &self,
        name: &HostName,
        site: &SiteName,
        role: &RoleName,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let found = Entity::find_by_id(name.to_string()).one(&transaction).await;
        let known = found.map_err(during("read a host"))?.map(host_of).transpose()?;
        let mut record =
            known.unwrap_or_else(|| HostRecord::new(name.clone(), site.clone(), role.clone()));
        record.site = site.clone();
        record.role = role.clone();
        put_all(&transaction, std::iter::once(&record)).await?;
        transaction.commit().await.map_err(during("enrol a host"))
    }

    /// Keeps what an agent saw.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the host is not known.
    pub async fn observe(
        &self,
        name: &HostName,
        facts: &ObservedFacts,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = At { table: "hosts", key: name.as_str() };
        let updated = Entity::update_many()
            .col_expr(Column::Facts, Expr::value(at.text(facts)?))
            .col_expr(Column::LastSeen, Expr::value(now.as_millisecond()))
            .filter(Column::Name.eq(name.as_str()))
            .exec(&self.write)
            .await
            .map_err(during("keep a host's facts"))?;
        match updated.rows_affected {
            0 => Err(StoreError::Missing { what: "host", key: name.to_string() }),
            _ => Ok(()),
        }
    }

    /// Notes when agents were last heard of, many at once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn seen(&self, hosts: &[(HostName, Timestamp)]) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        for (host, at) in hosts {
            let noted = Entity::update_many()
                .col_expr(Column::LastSeen, Expr::value(at.as_millisecond()))
                .filter(Column::Name.eq(host.as_str()))
                .exec(&transaction)
                .await;
            noted.map_err(during("note when a host was seen"))?;
        }
        transaction.commit().await.map_err(during("note when hosts were seen"))
    }
}

/// What people said, without what the agent adds.
fn said_text(host: &HostRecord) -> Result<String, StoreError> {
    let said = HostRecord { last_seen: None, facts: None, ..host.clone() };
    At { table: "hosts", key: host.name.as_str() }.text(&said)
}

/// What people say of all hosts, row by row: the texts of 100,000 rows are never held together.
pub(crate) async fn said(
    connection: &(impl ConnectionTrait + StreamTrait),
) -> Result<Vec<HostRecord>, StoreError> {
    let rows = Entity::find()
        .select_only()
        .columns([Column::Name, Column::Record])
        .order_by_asc(Column::Name)
        .into_tuple::<(String, String)>()
        .stream(connection)
        .await;
    let mut rows = rows.map_err(during("list hosts"))?;
    let mut hosts = Vec::new();
    while let Some((name, record)) = rows.try_next().await.map_err(during("list hosts"))? {
        hosts.push(At { table: "hosts", key: &name }.json(&record)?);
    }
    Ok(hosts)
}

/// Keeps what people say of hosts; what agents saw stays.
pub(crate) async fn put_all<'a>(
    connection: &impl ConnectionTrait,
    hosts: impl Iterator<Item = &'a HostRecord>,
) -> Result<(), StoreError> {
    let hosts: Vec<&HostRecord> = hosts.collect();
    for some in hosts.chunks(crate::fleet::ROWS_AT_ONCE) {
        let mut rows = Vec::with_capacity(some.len());
        for host in some {
            rows.push(ActiveModel {
                name: Set(host.name.to_string()),
                record: Set(said_text(host)?),
                facts: Set(None),
                last_seen: Set(None),
            });
        }
        let only_record = OnConflict::column(Column::Name).update_column(Column::Record).to_owned();
        let put = Entity::insert_many(rows).on_conflict(only_record);
        put.exec_without_returning(connection).await.map_err(during("keep hosts"))?;
    }
    Ok(())
}

/// Forgets a host.
pub(crate) async fn remove(
    connection: &impl ConnectionTrait,
    name: &str,
) -> Result<(), StoreError> {
    let removed = Entity::delete_by_id(name.to_owned()).exec(connection).await;
    removed.map(drop).map_err(during("remove a host"))
}

fn host_of(row: Model) -> Result<HostRecord, StoreError> {
    let at = At { table: "hosts", key: &row.name };
    let mut host: HostRecord = at.json(&row.record)?;
    host.facts = row.facts.as_deref().map(|facts| at.json(facts)).transpose()?;
    host.last_seen = row.last_seen.map(|ms| at.moment(ms)).transpose()?;
    Ok(host)
}
