//! A rollout as it is stored: the plan's limits, the people's decisions, the hosts' states, the ledger.

use crate::gate::Timing;
use crate::{HostState, IllegalMove, RolloutState};
use jiff::Timestamp;
use refit_names::{
    BuildId, Digest, Generation, HostName, Percent, PersonName, ProductName, RolloutName, WaveName,
};
use refit_plan::{Advance, Freeze, Plan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One campaign. Stored as JSON; changed only by [`Rollout::next`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    pub(crate) name: RolloutName,
    pub(crate) state: RolloutState,
    pub(crate) current: Option<Current>,
    #[serde(default)]
    pub(crate) agreed_by: BTreeSet<PersonName>,
    #[serde(default)]
    pub(crate) authorised_by: Option<PersonName>,
    #[serde(default)]
    pub(crate) settings: Option<Settings>,
    #[serde(default)]
    pub(crate) deployed_at: Option<Timestamp>,
    /// Only these may start; none: by waves.
    #[serde(default)]
    pub(crate) selection: Option<BTreeSet<HostName>>,
    /// Which pack of the current plan was withdrawn, and why: nobody begins any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) withdrawn: Option<String>,
    /// Times in which nothing that they cover may begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) freezes: Vec<Freeze>,
    /// Never shortened.
    #[serde(default)]
    pub(crate) ledger: Vec<Failure>,
}

/// What the current plan says, as far as the state machine needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Current {
    pub(crate) hash: Digest,
    pub(crate) generation: Generation,
    pub(crate) author: PersonName,
    pub(crate) target: BuildId,
    #[serde(default)]
    pub(crate) product: Option<ProductName>,
    /// Freezes do not count.
    #[serde(default)]
    pub(crate) emergency: bool,
    pub(crate) approvals_needed: u32,
    pub(crate) failure_budget: u32,
    pub(crate) waves: Vec<Wave>,
    /// In the plan's order: by wave, then by risk.
    pub(crate) hosts: Vec<RolloutHost>,
    /// Places in `hosts`.
    pub(crate) places: BTreeMap<HostName, usize>,
}

/// A wave with its limits and its clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wave {
    pub(crate) name: WaveName,
    pub(crate) goal: Percent,
    pub(crate) failure_budget: u32,
    pub(crate) soak_ms: u64,
    pub(crate) timeout_ms: u64,
    pub(crate) parallel: u32,
    pub(crate) advance: Advance,
    /// Where its timeout counts from: its start, or the last time that a person resumed it.
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) soaking_since: Option<Timestamp>,
    /// When the last of its hosts may start: waiting for a window is no delay.
    #[serde(default)]
    pub(crate) opens_last: Option<Timestamp>,
    pub(crate) done: bool,
    /// A person resumed it although its goal cannot be reached.
    pub(crate) goal_waived: bool,
}

/// A host of the rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutHost {
    /// Its name.
    pub host: HostName,
    /// Its wave, from 0.
    pub wave: u32,
    /// Where it stands.
    pub state: HostState,
    /// When it was told to go.
    pub due_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it may be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timing: Option<Timing>,
}

/// What was set before deploying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Hosts that may be down at the same time; none: what the plan says.
    pub parallel: Option<u32>,
    /// How waves follow each other; none: what the plan says.
    pub advance: Option<Advance>,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which host.
    pub host: HostName,
    /// Its wave, from 0.
    pub wave: u32,
    /// When it was reported.
    pub at: Timestamp,
    /// The root cause.
    pub cause: String,
}

impl Rollout {
    /// A campaign without a plan.
    #[must_use]
    pub const fn draft(name: RolloutName) -> Self {
        Self {
            name,
            state: RolloutState::Draft,
            current: None,
            agreed_by: BTreeSet::new(),
            authorised_by: None,
            settings: None,
            deployed_at: None,
            selection: None,
            freezes: Vec::new(),
            withdrawn: None,
            ledger: Vec::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &RolloutName {
        &self.name
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &RolloutState {
        &self.state
    }

    /// The hash of the current plan.
    #[must_use]
    pub fn plan(&self) -> Option<Digest> {
        self.current.as_ref().map(|current| current.hash)
    }

    /// The generation of the current plan.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.current.as_ref().map(|current| current.generation)
    }

    /// Who made the current plan.
    #[must_use]
    pub fn author(&self) -> Option<&PersonName> {
        self.current.as_ref().map(|current| &current.author)
    }

    /// Who agreed to the current plan.
    #[must_use]
    pub const fn agreed_by(&self) -> &BTreeSet<PersonName> {
        &self.agreed_by
    }

    /// Who authorised the current plan.
    #[must_use]
    pub const fn authorised_by(&self) -> Option<&PersonName> {
        self.authorised_by.as_ref()
    }

    /// What was set; none: not configured.
    #[must_use]
    pub const fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// When it was first deployed.
    #[must_use]
    pub const fn deployed_at(&self) -> Option<Timestamp> {
        self.deployed_at
    }

    /// Which pack of the current plan was withdrawn, and why.
    #[must_use]
    pub fn withdrawn(&self) -> Option<&str> {
        self.withdrawn.as_deref()
    }

    /// The ledger: every failure so far.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.ledger
    }

    /// Failures over all waves that halt it when exceeded.
    #[must_use]
    pub fn failure_budget(&self) -> u32 {
        self.current.as_ref().map_or(0, |current| current.failure_budget)
    }

    /// The freezes that it knows of.
    #[must_use]
    pub fn freezes(&self) -> &[Freeze] {
        &self.freezes
    }

    /// Its hosts in the plan's order.
    #[must_use]
    pub fn hosts(&self) -> &[RolloutHost] {
        self.current.as_ref().map_or(&[], |current| &current.hosts)
    }

    /// Hosts that have run or run: no later plan moves them.
    #[must_use]
    pub fn begun(&self) -> BTreeSet<HostName> {
        let begun = self.hosts().iter().filter(|host| host.has_run() || host.in_flight());
        begun.map(|host| host.host.clone()).collect()
    }

    /// One host.
    #[must_use]
    pub fn host(&self, host: &HostName) -> Option<&RolloutHost> {
        self.current.as_ref()?.host(host)
    }
}

impl Current {
    pub(crate) fn of(plan: &Plan) -> Result<Self, IllegalMove> {
        let hash = plan.hash().map_err(|error| IllegalMove::NoHash(refit_names::chain(&error)))?;
        let waves = plan.waves.iter().map(|wave| Wave {
            name: wave.name.clone(),
            goal: wave.goal,
            failure_budget: wave.failure_budget,
            soak_ms: wave.soak_ms,
            timeout_ms: wave.timeout_ms,
            parallel: wave.parallel.max(1),
            advance: wave.advance,
            started_at: None,
            soaking_since: None,
            opens_last: wave.hosts.iter().filter_map(|host| Timing::of(host).opens()).max(),
            done: false,
            goal_waived: false,
        });
        let hosts: Vec<RolloutHost> = (0u32..)
            .zip(&plan.waves)
            .flat_map(|(wave, planned)| planned.hosts.iter().map(move |host| (wave, host)))
            .map(|(wave, planned)| RolloutHost {
                host: planned.host.clone(),
                wave,
                state: HostState::Waiting { on: "prepare".to_owned() },
                due_at: None,
                ended_at: None,
                timing: Some(Timing::of(planned)),
            })
            .collect();
        let places = hosts.iter().enumerate().map(|(at, host)| (host.host.clone(), at)).collect();
        Ok(Self {
            hash,
            generation: plan.generation,
            author: plan.author.clone(),
            target: plan.target.clone(),
            product: Some(plan.product.clone()),
            emergency: plan.emergency.is_some(),
            approvals_needed: plan.approvals_needed.max(1),
            failure_budget: plan.failure_budget,
            waves: waves.collect(),
            hosts,
            places,
        })
    }

    /// Takes over what ran under the plan before: hosts that have ended stay as they are, and so do their waves' clocks.
    ///
    /// # Errors
    /// [`IllegalMove::Forgotten`] when the plan does not say of such a host that it has begun.
    pub(crate) fn go_on_from(&mut self, before: &Self, plan: &Plan) -> Result<(), IllegalMove> {
        for host in before.hosts.iter().filter(|host| host.has_run()) {
            let kept = plan.begun.contains(&host.host).then(|| self.host_mut(&host.host)).flatten();
            let kept = kept.filter(|kept| kept.wave == host.wave);
            let Some(kept) = kept else {
                return Err(IllegalMove::Forgotten { host: host.host.clone() });
            };
            *kept = host.clone();
        }
        for (wave, old) in self.waves.iter_mut().zip(&before.waves) {
            if wave.name == old.name {
                wave.soaking_since = old.soaking_since;
                wave.goal_waived = old.goal_waived;
            }
        }
        Ok(())
    }

    pub(crate) fn host(&self, host: &HostName) -> Option<&RolloutHost> {
        self.hosts.get(*self.places.get(host)?)
    }

    pub(crate) fn host_mut(&mut self, host: &HostName) -> Option<&mut RolloutHost> {
        self.hosts.get_mut(*self.places.get(host)?)
    }

    pub(crate) fn members(&self, wave: u32) -> impl Iterator<Item = &RolloutHost> {
        self.hosts.iter().filter(move |host| host.wave == wave)
    }

    pub(crate) fn wave(&self, wave: u32) -> Option<&Wave> {
        self.waves.get(usize::try_from(wave).ok()?)
    }

    pub(crate) fn wave_mut(&mut self, wave: u32) -> Option<&mut Wave> {
        self.waves.get_mut(usize::try_from(wave).ok()?)
    }
}

impl RolloutHost {
    /// Told to go or going.
    #[must_use]
    pub const fn in_flight(&self) -> bool {
        matches!(self.state, HostState::Due | HostState::Running { .. })
    }

    /// Ended, well or not, or left out.
    #[must_use]
    pub const fn settled(&self) -> bool {
        matches!(
            self.state,
            HostState::Succeeded { .. }
                | HostState::RolledBack { .. }
                | HostState::NeedsPerson { .. }
                | HostState::Ignored { .. }
        )
    }

    /// Ended by its own work, well or not.
    pub(crate) const fn has_run(&self) -> bool {
        matches!(
            self.state,
            HostState::Succeeded { .. }
                | HostState::RolledBack { .. }
                | HostState::NeedsPerson { .. }
        )
    }

    pub(crate) const fn failed(&self) -> bool {
        matches!(self.state, HostState::RolledBack { .. } | HostState::NeedsPerson { .. })
    }
}
