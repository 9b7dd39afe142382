//! Everything that a plan is made of.

use jiff::Timestamp;
use refit_calendar::Calendar;
use refit_inventory::{ClusterRecord, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{
    BuildId, Digest, Generation, HostName, PartName, Percent, PersonName, ProductName, RoleName,
    RolloutName,
};
use refit_packs::catalog::Catalog;
use refit_packs::manifest::Estimate;
use refit_plan::{Advance, Pin, Plan, Way};
use refit_risk::RiskScore;
use std::collections::{BTreeMap, BTreeSet};

/// Finished runs from which on their times count more than what a pack says: the fewest whose 95th percentile is not
/// one hiccup.
pub const SAMPLES_MIN: u32 = 5;
/// How far ahead openings are searched unless told otherwise: two years.
pub const HORIZON_DAYS: u32 = 730;

/// Everything that a plan is made of.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The campaign.
    pub rollout: RolloutName,
    /// Of the plan that is made.
    pub generation: Generation,
    /// The plan that it replaces.
    pub parent: Option<Digest>,
    /// Who asked for it.
    pub author: PersonName,
    /// The moment that goes into the plan.
    pub now: Timestamp,
    /// What is upgraded.
    pub product: ProductName,
    /// Where to.
    pub target: BuildId,
    /// Hosts that were asked for by name; empty means all that have the product.
    pub wanted: BTreeSet<HostName>,
    /// The whole fleet.
    pub hosts: Vec<Candidate>,
    /// Published packs.
    pub catalog: Catalog,
    /// Optional parts of its packs that are wanted.
    pub parts: BTreeSet<PartName>,
    /// How long each pack takes, by the digest of its record; a missing one takes the default.
    pub estimates: BTreeMap<Digest, Estimate>,
    /// How long finished runs took, by pack and role.
    pub history: BTreeMap<(Digest, RoleName), Measured>,
    /// Shape of the waves.
    pub shape: Shape,
    /// Failures, over all waves, that halt the rollout when exceeded.
    pub failure_budget: u32,
    /// How many people other than the author must agree.
    pub approvals_needed: u32,
    /// What hosts stand in.
    pub surroundings: Surroundings,
    /// What people want beside the target.
    pub demands: Demands,
    /// What has run already, when the plan replaces one that did.
    pub begun: Option<Begun>,
}

/// A host as the planner sees it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What is known of it.
    pub record: HostRecord,
    /// Its score.
    pub risk: RiskScore,
    /// Whether its agent was heard of lately.
    pub reachable: bool,
}

/// Shape of waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Share of the hosts in each wave; the last one takes the rest.
    pub shares: Vec<Percent>,
    /// Share of a wave that must succeed before the next starts.
    pub goal: Percent,
    /// How long a wave is watched after its last host, in milliseconds.
    pub soak_ms: u64,
    /// When a wave stops waiting, in milliseconds.
    pub timeout_ms: u64,
    /// Hosts that may be down at the same time.
    pub parallel: u32,
    /// How the next wave starts.
    pub advance: Advance,
}

/// What hosts stand in.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Windows and freezes.
    pub calendar: Calendar,
    /// Places; a site that is not here has no limits.
    pub sites: Vec<SiteRecord>,
    /// Clusters; one that is not here lets one member be down at a time, in any order.
    pub clusters: Vec<ClusterRecord>,
    /// People; when there is none, nobody has to stand by.
    pub engineers: Vec<EngineerRecord>,
}

impl Default for Surroundings {
    fn default() -> Self {
        let calendar = match Calendar::new(Vec::new(), Vec::new()) {
            Ok(calendar) => calendar,
            Err(error) => unreachable!("a calendar without entries is valid: {error}"),
        };
        let (sites, clusters, engineers) = (Vec::new(), Vec::new(), Vec::new());
        Self { calendar, sites, clusters, engineers }
    }
}

/// What people want beside the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    /// Hosts that must be changed at a given time.
    pub pins: Vec<Pin>,
    /// When everything must be finished.
    pub deadline: Option<Timestamp>,
    /// Why freezes do not count.
    pub emergency: Option<String>,
    /// Time that people need behind each host to validate it, in milliseconds.
    pub validation_ms: u64,
    /// How far ahead openings are searched.
    pub horizon_days: u32,
    /// Hosts whose build is only stated take part too.
    pub stated: bool,
    /// Whether hosts are upgraded to the target, or taken back to it.
    pub way: Way,
}

impl PlanInput {
    /// The build that a host would leave: as an agent saw it, or as people state it where that counts.
    pub(crate) fn build_of<'a>(&self, record: &'a HostRecord) -> Option<&'a BuildId> {
        match record.product(&self.product) {
            Some(seen) => seen.build.as_ref(),
            None => record.stated_build(&self.product).filter(|_| self.demands.stated),
        }
    }
}

impl Default for Demands {
    fn default() -> Self {
        Self {
            pins: Vec::new(),
            deadline: None,
            emergency: None,
            validation_ms: 0,
            horizon_days: HORIZON_DAYS,
            stated: false,
            way: Way::Forward,
        }
    }
}

/// How long finished runs of one pack took on hosts of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Runs that succeeded.
    pub runs: u32,
    /// Half of them were done after this many milliseconds.
    pub p50_ms: u64,
    /// Nineteen of twenty were done after this many milliseconds.
    pub p95_ms: u64,
    /// Runs that went back.
    pub undone: u32,
    /// Nineteen of twenty of these were back after this many milliseconds.
    pub undo_p95_ms: u64,
}

/// What has run already.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The plan that is replaced.
    pub plan: Plan,
    /// Its hosts that run or have ended: they stay where they are.
    pub hosts: BTreeSet<HostName>,
}
