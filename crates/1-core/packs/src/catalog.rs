//! The catalogue of a repository: which packs there are and which build can follow which.

mod export;
mod graph;
mod path;
mod refusal;
mod removal;

use crate::manifest::{KnownIssue, PackKind, Terms};
use refit_names::{BuildId, ByteSize, Digest, ProductName, TargetName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use export::{
    BuildGraph, Cincinnati, ConditionalEdge, Edge, EdgeName, MatchingRule, Node, Risk,
};
pub use graph::Obstacle;
pub use path::{ReachablePath, Route};
pub use refusal::{Advice, PathError};
pub use removal::NoRemoval;

/// The value of `format` in a catalogue that this code understands.
pub const CATALOG_FORMAT: &str = "refit.catalog/1";

/// The name of the catalogue's target in every repository.
pub const CATALOG_TARGET: &str = "catalog.json";

/// All packs of a repository. A signed target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Always [`CATALOG_FORMAT`].
    pub format: String,
    /// The packs, sorted by product and target build.
    pub packs: Vec<PackSummary>,
}

/// What a catalogue says of one pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackSummary {
    /// The product.
    pub product: ProductName,
    /// Builds that it upgrades.
    pub from: BTreeSet<BuildId>,
    /// The build that it leads to.
    pub to: BuildId,
    /// How large a change it is.
    pub kind: PackKind,
    /// One line for people.
    pub title: String,
    /// The target that holds the [`crate::record::PackRecord`].
    pub record: TargetName,
    /// SHA-256 of that target.
    pub record_digest: Digest,
    /// Bytes of the whole content, compressed.
    pub size: ByteSize,
    /// Builds that must not take it, with reasons.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocked: BTreeMap<BuildId, String>,
    /// Builds that it replaces.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub supersedes: BTreeSet<BuildId>,
    /// The build that a host must have reached before it may take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<BuildId>,
    /// Why it was withdrawn, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Troubles known at publication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_issues: Vec<KnownIssue>,
    /// What taking it means for a host.
    #[serde(default, skip_serializing_if = "Terms::is_nothing")]
    pub terms: Terms,
}
