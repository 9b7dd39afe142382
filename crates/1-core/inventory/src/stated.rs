//! What people say of a machine that no agent has seen, and of one that left.

use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, PersonName, ProductName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a host takes no part any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: PersonName,
    /// When.
    pub at: Timestamp,
}

/// Facts that an import gave: less sure than what an agent saw, more than nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedFacts {
    /// Operating system with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Memory of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// When the machine started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booted_at: Option<Timestamp>,
    /// When its newest backup was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_at: Option<Timestamp>,
    /// Products and their builds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub products: BTreeMap<ProductName, BuildId>,
    /// When it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Who said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonName>,
}
