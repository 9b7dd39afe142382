//! The catalogue of a repository: which packs there are and which build can follow which.

mod path;

use crate::manifest::{KnownIssue, PackKind};
use refit_names::{BuildId, ByteSize, Digest, ProductName, TargetName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use path::{PathError, ReachablePath};

/// The value of `format` in a catalogue that this code understands.
pub const CATALOG_FORMAT: &str = "refit.catalog/1";

/// The name of the catalogue's target in every repository.
pub const CATALOG_TARGET: &str = "catalog.json";

/// All packs of a repository. A signed target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Always [`CATALOG_FORMAT`].
    pub format: String,
    /// The packs, sorted by product and target build.
    pub packs: Vec<PackSummary>,
}

/// What a catalogue says of one pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Why it was withdrawn, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Troubles known at publication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_issues: Vec<KnownIssue>,
}
