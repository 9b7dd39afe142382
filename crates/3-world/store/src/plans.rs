//! Immutable plans with what the planner and its judge said.

use crate::{Store, StoreError, error::during, text::At};
use refit_names::{Digest, Generation, RolloutName};
use refit_plan::Plan;
use sea_orm::{ActiveValue::Set, QueryOrder as _, entity::prelude::*};
use std::sync::{Arc, Mutex, PoisonError};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "plans")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) hash: String,
        pub(crate) rollout: String,
        pub(crate) generation: i64,
        pub(crate) plan: String,
        pub(crate) report: String,
        pub(crate) findings: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

/// Hosts in all plans that are kept in memory, beside the one that was read last.
const KEPT_HOSTS_MAX: usize = 20_000;

/// Plans that were read last, the newest first: they never change, and whoever carries a campaign on asks for the same one at every step.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Vec<Arc<PlanRow>>>);

impl Kept {
    fn find(&self, hash: &Digest) -> Option<Arc<PlanRow>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|row| row.hash == *hash)?;
        kept[..=at].rotate_right(1);
        kept.first().cloned()
    }

    fn keep(&self, row: &Arc<PlanRow>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.hash != row.hash);
        kept.insert(0, Arc::clone(row));
        let mut hosts = 0;
        let fits = kept.iter().skip(1).take_while(|row| {
            hosts += row.plan.hosts().count();
            hosts <= KEPT_HOSTS_MAX
        });
        let fits = 1 + fits.count();
        kept.truncate(fits);
    }
}

/// A plan as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// What is approved.
    pub hash: Digest,
    /// The plan.
    pub plan: Plan,
    /// Remarks of the planner.
    pub report: Vec<String>,
    /// What the second judge found.
    pub findings: Vec<String>,
}

impl Store {
    /// Keeps a new plan for ever.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the rollout has a plan of this generation.
    pub async fn add_plan(&self, row: &PlanRow) -> Result<(), StoreError> {
        let key = row.hash.to_string();
        let at = At { table: "plans", key: &key };
        let stored = ActiveModel {
            hash: Set(key.clone()),
            rollout: Set(row.plan.rollout.to_string()),
            generation: Set(at.stored(row.plan.generation.0)?),
            plan: Set(at.text(&row.plan)?),
            report: Set(at.text(&row.report)?),
            findings: Set(at.text(&row.findings)?),
        };
        match Entity::insert(stored).exec_without_returning(&self.write).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                Err(StoreError::Exists { what: "plan", key })
            }
            Err(error) => Err(during("keep a plan")(error)),
        }
    }

    /// The plan with this hash.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none.
    pub async fn plan(&self, hash: &Digest) -> Result<Arc<PlanRow>, StoreError> {
        if let Some(kept) = self.plans.find(hash) {
            return Ok(kept);
        }
        let found = Entity::find_by_id(hash.to_string()).one(&self.read).await;
        let missing = || StoreError::Missing { what: "plan", key: hash.to_string() };
        let row = found.map_err(during("read a plan"))?.ok_or_else(missing).and_then(plan_of)?;
        let row = Arc::new(row);
        self.plans.keep(&row);
        Ok(row)
    }

    /// The newest plan of a rollout, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn newest_plan(&self, rollout: &RolloutName) -> Result<Option<PlanRow>, StoreError> {
        let found = Entity::find()
            .filter(Column::Rollout.eq(rollout.as_str()))
            .order_by_desc(Column::Generation)
            .one(&self.read)
            .await;
        found.map_err(during("read a plan"))?.map(plan_of).transpose()
    }

    /// The plan of one generation of a rollout, if it was made.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn plan_of_generation(
        &self,
        rollout: &RolloutName,
        generation: Generation,
    ) -> Result<Option<PlanRow>, StoreError> {
        let at = At { table: "plans", key: rollout.as_str() };
        let found = Entity::find()
            .filter(Column::Rollout.eq(rollout.as_str()))
            .filter(Column::Generation.eq(at.stored(generation.0)?))
            .one(&self.read)
            .await;
        found.map_err(during("read a plan"))?.map(plan_of).transpose()
    }

    /// All plans of a rollout, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn plans_of(&self, rollout: &RolloutName) -> Result<Vec<PlanRow>, StoreError> {
        let found = Entity::find()
            .filter(Column::Rollout.eq(rollout.as_str()))
            .order_by_desc(Column::Generation)
            .all(&self.read)
            .await;
        found.map_err(during("list plans"))?.into_iter().map(plan_of).collect()
    }
}

fn plan_of(row: Model) -> Result<PlanRow, StoreError> {
    let at = At { table: "plans", key: &row.hash };
    Ok(PlanRow {
        hash: at.parse(&row.hash)?,
        plan: at.json(&row.plan)?,
        report: at.json(&row.report)?,
        findings: at.json(&row.findings)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_testkit::PlanBuilder;

    #[test]
    fn plans_that_were_read_last_are_kept_as_far_as_there_is_room() {
        let kept = Kept::default();
        let row = |number: u8, hosts: usize| {
            let names: Vec<String> = (0..hosts).map(|host| format!("h{host}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let plan = PlanBuilder::along(&["1000", "1100"]).wave(&names).plan();
            let (report, findings) = (Vec::new(), Vec::new());
            Arc::new(PlanRow { hash: Digest::of(&[number]), plan, report, findings })
        };
        let half = KEPT_HOSTS_MAX / 2;
        for (number, hosts) in [(1, KEPT_HOSTS_MAX + 1), (2, half), (3, half), (4, half)] {
            kept.keep(&row(number, hosts));
        }
        let found: Vec<u8> =
            (1..=4).filter(|number| kept.find(&Digest::of(&[*number])).is_some()).collect();
        assert_eq!(found, [2, 3, 4]);
    }
}
