//! What hosts stand in: sites, clusters, and the people who change them.

use refit_names::{ByteSize, HostName, PersonName, RoleName, SiteName, WindowName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A place with hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteRecord {
    /// Its name.
    pub name: SiteName,
    /// Its IANA time zone.
    pub zone: String,
    /// Bytes per second that deliveries to all its hosts may take together; none means no limit.
    #[serde(default)]
    pub bandwidth: Option<ByteSize>,
    /// Hosts that may be down at the same time; none means no limit of its own.
    #[serde(default)]
    pub down_at_once: Option<u32>,
}

/// Hosts that stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterRecord {
    /// Its name, as hosts state it.
    pub name: String,
    /// Members that may be down at the same time.
    pub down_at_once: u32,
    /// Members that it may have at most; none means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_max: Option<u32>,
    /// Members that go first, in this order; the others follow in any order.
    #[serde(default)]
    pub order: Vec<HostName>,
}

/// A person who changes hosts or stands by while they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineerRecord {
    /// Their name.
    pub name: PersonName,
    /// Roles of hosts that they know; empty means all.
    #[serde(default)]
    pub skills: BTreeSet<RoleName>,
    /// Sites where they can be; empty means all.
    #[serde(default)]
    pub sites: BTreeSet<SiteName>,
    /// Windows in which they work, any of them; empty means at any time.
    #[serde(default)]
    pub available: BTreeSet<WindowName>,
    /// Hosts that they can look after at the same time.
    #[serde(default = "one")]
    pub hosts_at_once: u32,
}

fn one() -> u32 {
    1
}
