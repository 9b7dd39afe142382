//! `pack.yaml`: what a pack's author writes.

mod facts;
mod requirements;
mod rules;
mod terms;

use refit_names::{BuildId, ComponentName, ParameterName, PartName, ProductName, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use facts::{FactPattern, IssueAction, KnownIssue, Patterns, SeenFacts};
pub use requirements::{Requirements, Unmet, VolumeNeed, capability_number};
pub(crate) use rules::check;
pub use rules::{
    MANIFEST_BYTES_MAX, ManifestError, accept, misfits, parse, read, repeatable_migrations,
};
pub use terms::{
    Coexistence, DataSince, FeatureSwitch, Migration, Part, PartTerms, RebootNeed, Terms,
    Uninstall, UninstallRule,
};

/// The value of `format` in a manifest that this code understands.
pub const MANIFEST_FORMAT: &str = "refit.pack/1";

/// A service pack as its author describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_FORMAT`].
    pub format: String,
    /// What is upgraded.
    pub product: ProductName,
    /// Builds that this pack can upgrade.
    pub from: BTreeSet<BuildId>,
    /// The build that it leads to.
    pub to: BuildId,
    /// How large a change it is.
    pub kind: PackKind,
    /// One line for people.
    pub title: String,
    /// The file with the read-me, beside the manifest.
    pub readme: TreePath,
    /// The folder with the new release's files, beside the manifest.
    pub payload: TreePath,
    /// The folder with static pages for the console, beside the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<TreePath>,
    /// The file with the runbook, beside the manifest; absent means the default for a plain service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<TreePath>,
    /// What is saved and restored together.
    pub unit: Unit,
    /// What a host must have.
    #[serde(default)]
    pub requirements: Requirements,
    /// Builds that must not take this pack, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocked: BTreeMap<BuildId, String>,
    /// Builds that this one replaces: plans avoid them unless they are the only way.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub supersedes: BTreeSet<BuildId>,
    /// The build that a host must have reached before it may take this pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<BuildId>,
    /// The oldest agent that can carry this pack out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_min: Option<String>,
    /// How long the downtime takes, before history knows better.
    #[serde(default)]
    pub estimate: Estimate,
    /// Troubles known at publication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_issues: Vec<KnownIssue>,
    /// Versions of the programs that the product consists of: one whose version did not change needs nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<ComponentName, BuildId>,
    /// Changes of databases, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
    /// Whether the machine is restarted; absent means as the runbook says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<RebootNeed>,
    /// Features that it switches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<FeatureSwitch>,
    /// Parts of the payload that people may leave out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<PartName, Part>,
    /// Whether the build can be removed again; absent means that nothing is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstall: Option<Uninstall>,
    /// Which builds may run beside this one in a cluster; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coexistence: Option<Coexistence>,
}

/// How large a change a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PackKind {
    /// A patch.
    Minor,
    /// A service pack: plan a window.
    ServicePack,
    /// A feature release.
    Feature,
}

/// What belongs together on a host: saved at one moment, restored at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Folders and files below the product's root that are not part of the release tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<TreePath>,
    /// Databases of the product, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub databases: BTreeMap<String, Database>,
}

/// Where a database of the product is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "engine", rename_all = "kebab-case")]
pub enum Database {
    /// A file below the product's root.
    Sqlite {
        /// Its path below the root.
        path: TreePath,
    },
    /// A PostgreSQL database, near or far.
    Postgres {
        /// The parameter that holds its connection string (`postgresql://…`).
        url: ParameterName,
    },
    /// A MariaDB or MySQL database, near or far.
    Mariadb {
        /// The parameter that holds its connection string (`mysql://…`).
        url: ParameterName,
    },
}

/// How long a host is expected to be busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Half of the hosts are done after this many milliseconds.
    pub p50_ms: u64,
    /// Nineteen of twenty hosts are done after this many milliseconds.
    pub p95_ms: u64,
    /// Nineteen of twenty hosts are back on the old build after this many milliseconds.
    pub undo_p95_ms: u64,
}

impl Default for Estimate {
    /// A cautious guess for a pack that says nothing: a minute, five minutes, five minutes back.
    fn default() -> Self {
        Self { p50_ms: 60_000, p95_ms: 300_000, undo_p95_ms: 300_000 }
    }
}
