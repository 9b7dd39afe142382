//! Immutable plans with what the planner and its judge said.

use crate::{Store, StoreError, error::during, text::At};
use refit_names::{Digest, Generation, RolloutName};
use refit_plan::Plan;
use sea_orm::{ActiveValue::Set, QueryOrder as _, entity::prelude::*};

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
    pub async fn plan(&self, hash: &Digest) -> Result<PlanRow, StoreError> {
        let found = Entity::find_by_id(hash.to_string()).one(&self.read).await;
        let missing = || StoreError::Missing { what: "plan", key: hash.to_string() };
        found.map_err(during("read a plan"))?.ok_or_else(missing).and_then(plan_of)
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
