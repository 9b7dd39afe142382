//! Plans without a planner: exactly what a test wants, right or wrong.

use crate::{PRODUCT, lit};
use jiff::Timestamp;
use refit_names::{Generation, Percent};
use refit_plan::{Advance, Leg, PLAN_FORMAT, PackPin, Plan, PlannedHost, PlannedWave, Way};
use std::collections::{BTreeMap, BTreeSet};

/// Makes a plan of [`PRODUCT`] along a path of builds.
#[derive(Debug, Clone)]
pub struct PlanBuilder {
    path: Vec<String>,
    plan: Plan,
}

impl PlanBuilder {
    /// An empty plan of rollout `spring` by `planner`, from the first build of `path` to its last.
    ///
    /// # Panics
    /// When `path` has fewer than two builds.
    #[must_use]
    pub fn along(path: &[&str]) -> Self {
        let [_, packs @ ..] = path else { panic!("the test's path is empty") };
        let Some(target) = packs.last() else { panic!("the test's path has one build only") };
        let plan = Plan {
            format: PLAN_FORMAT.to_owned(),
            rollout: lit("spring"),
            generation: Generation::FIRST,
            parent: None,
            made_at: Timestamp::UNIX_EPOCH,
            author: lit("planner"),
            product: lit(PRODUCT),
            target: lit(target),
            packs: packs.iter().map(|to| pin(to)).collect(),
            waves: Vec::new(),
            failure_budget: 1,
            excluded: Vec::new(),
            approvals_needed: 1,
            parts: BTreeSet::new(),
            deadline: None,
            emergency: None,
            staging: Vec::new(),
            begun: BTreeSet::new(),
            stated: BTreeSet::new(),
        };
        Self { path: path.iter().map(|build| (*build).to_owned()).collect(), plan }
    }

    /// One more wave with these hosts; two at a time, half must succeed, watched for ten seconds.
    #[must_use]
    pub fn wave(mut self, hosts: &[&str]) -> Self {
        let number = self.plan.waves.len() + 1;
        let hosts = hosts.iter().zip(0..).map(|(name, risk)| self.host(name, risk)).collect();
        self.plan.waves.push(PlannedWave {
            name: lit(&format!("wave-{number}")),
            hosts,
            goal: Percent::new(50).unwrap_or(Percent::HUNDRED),
            failure_budget: 1,
            soak_ms: 10_000,
            timeout_ms: 3_600_000,
            parallel: 2,
            advance: Advance::Automatic,
        });
        self
    }

    /// Any other change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }

    /// The finished plan.
    #[must_use]
    pub fn plan(self) -> Plan {
        self.plan
    }

    fn host(&self, name: &str, risk: u32) -> PlannedHost {
        let legs = self.path.windows(2).map(|edge| match edge {
            [from, to] => Leg { from: lit(from), pack: pin(to), way: Way::Forward },
            other => unreachable!("a window of two has {} builds", other.len()),
        });
        PlannedHost {
            host: lit(name),
            site: lit("home"),
            role: lit("app"),
            risk,
            because: format!("risk {risk}"),
            legs: legs.collect(),
            parameters: BTreeMap::new(),
            p95_ms: 1_000,
            undo_p95_ms: 1_000,
            p50_ms: 0,
            validation_ms: 0,
            estimated_from: String::new(),
            reasons: Vec::new(),
            slot: None,
        }
    }
}

/// As [`crate::pack`] publishes it.
fn pin(to: &str) -> PackPin {
    let pack = crate::pack(&[], to);
    PackPin { to: pack.to, record: pack.record, digest: pack.record_digest, size: pack.size }
}
