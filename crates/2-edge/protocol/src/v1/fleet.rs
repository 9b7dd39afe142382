//! The fleet as people state it.

use jiff::Timestamp;
use refit_inventory::{
    ClusterRecord, EngineerRecord, HostField, HostRecord, RecordChange, SiteRecord,
};
use refit_names::{BuildId, HostName, ProductName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::HostView;

/// Records to be taken over; all or none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetImport {
    /// Hosts; what agents see of them is ignored.
    #[serde(default)]
    pub hosts: Vec<HostRecord>,
    /// Fields of hosts that the source has; hosts keep the others. Empty: all.
    #[serde(default)]
    pub fields: BTreeSet<HostField>,
    /// Sites.
    #[serde(default)]
    pub sites: Vec<SiteRecord>,
    /// Clusters.
    #[serde(default)]
    pub clusters: Vec<ClusterRecord>,
    /// Engineers.
    #[serde(default)]
    pub engineers: Vec<EngineerRecord>,
    /// Hosts that the source names, and that could not be read: others may refer to them.
    #[serde(default)]
    pub assumed: BTreeSet<HostName>,
    /// Only tries it.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FleetImported {
    /// New records.
    pub created: u64,
    /// Changed records.
    pub updated: u64,
    /// Same as before.
    pub unchanged: u64,
    /// Each change, in the order of the source.
    pub changes: Vec<RecordChange>,
    /// What is worth knowing and no fault, a line each.
    pub remarks: Vec<String>,
}

/// Everything that people state, as it is exported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetRecords {
    /// Sites, by name.
    #[serde(default)]
    pub sites: Vec<SiteRecord>,
    /// Clusters, by name.
    #[serde(default)]
    pub clusters: Vec<ClusterRecord>,
    /// Engineers, by name.
    #[serde(default)]
    pub engineers: Vec<EngineerRecord>,
    /// Hosts, by name.
    #[serde(default)]
    pub hosts: Vec<HostRecord>,
}

/// Some hosts, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPage {
    /// Hosts by name.
    pub hosts: Vec<HostView>,
    /// The last name that was looked at, when more follow.
    pub next: Option<HostName>,
}

/// Fields of a host to be set, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSet {
    /// Values as texts; an empty one sets what a new host has.
    pub fields: BTreeMap<HostField, String>,
    /// Only tries it.
    #[serde(default)]
    pub dry_run: bool,
}

/// A change of a record with who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    #[serde(flatten)]
    pub change: RecordChange,
}

/// Lets a build come again that was rolled back on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearQuarantine {
    /// Of which product.
    pub product: ProductName,
    /// Which.
    pub build: BuildId,
    /// What was done about the cause.
    pub reason: String,
}

/// A host is told to let a build come again. It is done when its facts no longer show the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineCleared {
    /// Which host.
    pub host: HostName,
    /// Of which product.
    pub product: ProductName,
    /// Which.
    pub build: BuildId,
    /// Why it was kept away.
    pub because: String,
    /// Whether the host was heard of lately.
    pub reachable: bool,
}
