//! What was seen on a host, when and how surely; and what people said about it.
//!
//! Here: observed facts, the host's record, their rules.
//! Deliberately not here: how facts are collected (`3-world/host`), where they are stored (`3-world/store`).
//! Called by: agent, server, risk, planner, plan-check.
//!
//! Invariants:
//! 1. A fact carries the time it was observed; "never seen" is a state of its own, not a default value.
//! 2. "Unreachable" is not "bad": it is derived from `last_seen`, never stored.

mod fault;
mod field;
mod fleet;
mod stated;
mod surroundings;

pub use fault::{FleetFault, closest, did_you_mean};
pub use field::{HostField, Said};
pub use fleet::{ChangeKind, FieldChange, Fleet, RecordChange, RecordKind, field_changes};
pub use stated::{Retirement, StatedFacts};
pub use surroundings::{ClusterRecord, EngineerRecord, SiteRecord};

use jiff::Timestamp;
use refit_names::{
    BuildId, ByteSize, HostName, ParameterName, PartName, PersonName, ProductName, RoleName,
    SiteName, TimeClass, WindowName,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an agent saw on its host at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFacts {
    /// When it looked.
    pub observed_at: Timestamp,
    /// `linux`.
    pub os: String,
    /// The distribution's name and version, as it says itself.
    pub os_release: String,
    /// `x86_64`.
    pub arch: String,
    /// The kernel's release.
    pub kernel: String,
    /// Identifies this boot.
    pub boot_id: String,
    /// When the machine started.
    pub booted_at: Option<Timestamp>,
    /// Memory of the machine.
    pub memory: ByteSize,
    /// Whether it is a machine of its own: `none`, or what it runs in, such as `kvm`; unknown when not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtualisation: Option<String>,
    /// The agent's version.
    pub agent_version: String,
    /// Products that the agent is told to look after.
    pub products: Vec<ObservedProduct>,
}

/// What was seen of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedProduct {
    /// Its name.
    pub name: ProductName,
    /// The installed build; none when the `current` link leads nowhere.
    pub build: Option<BuildId>,
    /// Its root folder.
    pub root: String,
    /// Size of the release and its data.
    pub size: ByteSize,
    /// Free space on its volume.
    pub free: ByteSize,
    /// Whether its services run.
    pub services: ServiceState,
    /// Values that the host's own configuration gives to runbook parameters. Secrets are left out.
    pub parameters: BTreeMap<ParameterName, String>,
    /// When its newest sealed backup was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_at: Option<Timestamp>,
    /// Optional parts of the installed build that are there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<PartName>,
    /// Builds that were rolled back here, with the cause; they stay away until cleared.
    #[serde(default)]
    pub quarantined: BTreeMap<BuildId, String>,
}

/// Whether services run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// All run.
    Running,
    /// None runs.
    Stopped,
    /// Some run, or one is between the two.
    Mixed,
    /// Could not be seen.
    Unknown,
}

/// What the fleet knows of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Its name.
    pub name: HostName,
    /// Where it stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
    /// Who signs for its application.
    #[serde(default)]
    pub owner: Option<PersonName>,
    /// How much hangs on it.
    #[serde(default)]
    pub criticality: Criticality,
    /// Marks for selection.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// The cluster that it belongs to.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Hosts that must be changed before this one.
    #[serde(default)]
    pub after: BTreeSet<HostName>,
    /// Its place among tiers: a whole tier is changed before the next higher one.
    #[serde(default)]
    pub tier: u32,
    /// Windows in which it may be changed, any of them; none means at any time.
    #[serde(default)]
    pub windows: BTreeSet<WindowName>,
    /// When people want it changed; none means whenever a window of its own is open.
    #[serde(default)]
    pub time_class: Option<TimeClass>,
    /// Whether it takes part.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// Why it was retired, when and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retirement>,
    /// What people or other systems say of the machine; what its agent sees counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<StatedFacts>,
    /// When its agent was last heard of.
    #[serde(default)]
    pub last_seen: Option<Timestamp>,
    /// What the agent saw last.
    #[serde(default)]
    pub facts: Option<ObservedFacts>,
}

impl HostRecord {
    /// A host of which nothing more is known than where it stands and what it does.
    #[must_use]
    pub fn new(name: HostName, site: SiteName, role: RoleName) -> Self {
        Self {
            name,
            site,
            role,
            owner: None,
            criticality: Criticality::default(),
            tags: BTreeSet::new(),
            cluster: None,
            after: BTreeSet::new(),
            tier: 0,
            windows: BTreeSet::new(),
            time_class: None,
            lifecycle: Lifecycle::default(),
            retired: None,
            stated: None,
            last_seen: None,
            facts: None,
        }
    }

    /// What was seen of `product`, if anything.
    #[must_use]
    pub fn product(&self, product: &ProductName) -> Option<&ObservedProduct> {
        self.facts.as_ref()?.products.iter().find(|seen| seen.name == *product)
    }

    /// The build of `product` as people state it, where no agent saw any.
    #[must_use]
    pub fn stated_build(&self, product: &ProductName) -> Option<&BuildId> {
        let unseen = self.product(product).is_none();
        self.stated.as_ref().filter(|_| unseen)?.products.get(product)
    }
}

/// How much hangs on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criticality {
    /// Test and spare machines.
    Low,
    /// Most servers.
    #[default]
    Medium,
    /// Users notice at once.
    High,
    /// The business stands still.
    Critical,
}

/// Whether a host takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// Takes part.
    #[default]
    Active,
    /// Out of service: gets no orders, counts nowhere.
    Retired,
}
