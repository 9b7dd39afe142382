//! The record of a built pack: what is signed, and all that a host needs to know before it fetches.

pub mod delta;
mod validate;

use crate::manifest::Manifest;
use crate::runbook::Runbook;
use refit_names::{ByteSize, ChunkId, Digest, TargetName, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use delta::DeltaSet;
pub use validate::{ENTRIES_MAX, RecordError, link_stays, validate};

/// The value of `format` in a record that this code understands.
pub const RECORD_FORMAT: &str = "refit.record/1";

/// A built pack. Its JSON text is a signed target of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackRecord {
    /// Always [`RECORD_FORMAT`].
    pub format: String,
    /// What the author wrote.
    pub manifest: Manifest,
    /// The procedure, with the default filled in.
    pub runbook: Runbook,
    /// The read-me's text.
    pub readme: String,
    /// The release tree, sorted by path, parents first.
    pub payload: Vec<TreeEntry>,
    /// The static pages, sorted by path.
    pub web: Vec<TreeEntry>,
    /// Where the chunks are.
    pub bundle: Bundle,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TreeEntry {
    /// Its path in the tree.
    pub path: TreePath,
    /// What it is.
    #[serde(flatten)]
    pub node: TreeNode,
}

/// What a tree entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TreeNode {
    /// A folder.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Its length in bytes.
        size: ByteSize,
        /// SHA-256 of its content.
        digest: Digest,
        /// Its chunks in order, as places in [`Bundle::chunks`].
        chunks: Vec<u32>,
    },
    /// A symbolic link that stays inside the tree.
    Link {
        /// Where it points, relative to its own folder.
        target: String,
    },
}

/// The file with all compressed chunks, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Its name in the repository.
    pub target: TargetName,
    /// Its length in bytes.
    pub size: ByteSize,
    /// SHA-256 of the whole.
    pub digest: Digest,
    /// The chunks in the order in which they stand in it, without duplicates.
    pub chunks: Vec<Chunk>,
    /// What makes files of this build from those of an older one, one set per older build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<DeltaSet>,
}

/// One chunk: a zstd frame in the bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// BLAKE3 of the content.
    pub id: ChunkId,
    /// Where the frame starts in the bundle.
    pub offset: u64,
    /// Length of the frame.
    pub stored: u32,
    /// Length of the content.
    pub size: u32,
}
