//! Deltas: what makes files of this build from files of an older one. Their bytes are chunks of the bundle like all others.

use super::{Bundle, TreeEntry, TreeNode};
use refit_names::{BuildId, ByteSize, Digest, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `format` in an index that this code understands.
pub const DELTA_FORMAT: &str = "refit.delta/1";
/// Bytes of an index when expanded: some 100,000 files.
pub const INDEX_BYTES_MAX: u64 = 64 << 20;
/// Old builds per pack; more would be a pack that nobody tests.
pub const DELTA_SETS_MAX: usize = 64;
/// Bytes of one group: held in memory while it is applied.
pub const GROUP_BYTES_MAX: u64 = 16 << 20;
/// New bytes of one piece.
pub const PIECE_BYTES_MAX: u64 = 8 << 20;
/// Old bytes that a piece, or all pieces of a zstd group together, may refer to.
pub const OLD_BYTES_MAX: u64 = 16 << 20;

/// All deltas from one older build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeltaSet {
    /// The build whose files are needed.
    pub from: BuildId,
    /// The chunks, as places in [`Bundle::chunks`], that joined and expanded (zstd) are the JSON of a [`DeltaIndex`].
    pub index: Vec<u32>,
    /// Bytes of the index and all groups in the bundle.
    pub stored: ByteSize,
}

/// Which files a delta set makes, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaIndex {
    /// Always [`DELTA_FORMAT`].
    pub format: String,
    /// Files that lay in another place and are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
    /// Groups of pieces. A file's pieces stand in order, in one group or in groups that follow each other.
    pub groups: Vec<DeltaGroup>,
}

/// A file that lay in another place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Where it lies now.
    pub path: TreePath,
    /// Where it lay.
    pub old: TreePath,
}

/// How a group is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeltaMethod {
    /// `refit-delta`'s own: kept parts, changed words.
    Words,
    /// One zstd frame; the old parts of all pieces, joined, are its prefix, and the new ones its content.
    Zstd,
}

/// Pieces that are coded together: whoever wants one reads the group from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaGroup {
    /// How.
    pub method: DeltaMethod,
    /// Its chunks, as places in [`Bundle::chunks`].
    pub chunks: Vec<u32>,
    /// Its pieces.
    pub pieces: Vec<DeltaPiece>,
}

/// One file, or the next part of a large one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaPiece {
    /// The new file.
    pub path: TreePath,
    /// Where in it the piece begins.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub at: u64,
    /// New bytes.
    pub size: u64,
    /// The old file, where it has another path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<TreePath>,
    /// Length of the old file.
    pub old_size: u64,
    /// SHA-256 of the old file.
    pub old_digest: Digest,
    /// Where in the old file the part begins that the piece refers to.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub old_at: u64,
    /// Length of this part, where it does not reach to the end of the old file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_length: Option<u64>,
}

fn is_nought(value: &u64) -> bool {
    *value == 0
}

impl DeltaPiece {
    /// Where the old file lies in its tree.
    #[must_use]
    pub fn old_path(&self) -> &TreePath {
        self.old.as_ref().unwrap_or(&self.path)
    }

    /// How many bytes of the old file the piece refers to.
    #[must_use]
    pub fn old_bytes(&self) -> u64 {
        self.old_length.unwrap_or_else(|| self.old_size.saturating_sub(self.old_at))
    }
}

/// Why an index is not sound: what, expected and found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("delta index: {what}, expected {expected}, found {found}")]
pub struct DeltaIndexError {
    what: String,
    expected: String,
    found: String,
}

impl DeltaIndex {
    /// Holds an index against the bundle and the tree that it is for.
    ///
    /// Afterwards every chunk exists, a file's pieces are in order and stay inside it, and no group or old part is larger than its
    /// limit. That every file is complete is not said: an incomplete one is not made. `entries` may be a part of the tree, and of the pack.
    ///
    /// # Errors
    /// [`DeltaIndexError`] names the first fault.
    pub fn check(&self, entries: &[TreeEntry], bundle: &Bundle) -> Result<(), DeltaIndexError> {
        let wrong = |what: &str, expected: String, found: String| {
            Err(DeltaIndexError { what: what.to_owned(), expected, found })
        };
        if self.format != DELTA_FORMAT {
            return wrong("format", DELTA_FORMAT.to_owned(), self.format.clone());
        }
        let sizes: BTreeMap<&TreePath, u64> = entries.iter().filter_map(size_of).collect();
        let mut seen: BTreeSet<&TreePath> = BTreeSet::new();
        for moved in &self.moved {
            // One that is not wanted is passed over where files are moved, as pieces are below.
            if !seen.insert(&moved.path) {
                return wrong("moved file", "each once".to_owned(), moved.path.to_string());
            }
        }
        let mut open: Option<(&TreePath, u64)> = None;
        for group in &self.groups {
            check_group(group, bundle)?;
            for piece in &group.pieces {
                let begins = match open {
                    Some((path, end)) if *path == piece.path => end,
                    _ if seen.insert(&piece.path) => 0,
                    _ => u64::MAX,
                };
                if piece.at != begins {
                    let expected = format!("pieces of `{}` in order", piece.path);
                    return wrong("piece", expected, format!("one at {}", piece.at));
                }
                // Files that are not wanted, such as those of a part that was not picked, are decoded all the same and not written.
                let size = sizes.get(&piece.path).copied().unwrap_or(u64::MAX);
                let end = piece.at.saturating_add(piece.size);
                if piece.size > PIECE_BYTES_MAX || end > size {
                    let expected = format!("at most {PIECE_BYTES_MAX} bytes of {size}");
                    return wrong("piece", expected, format!("{} to {end}", piece.at));
                }
                open = Some((&piece.path, end));
            }
        }
        Ok(())
    }
}

fn check_group(group: &DeltaGroup, bundle: &Bundle) -> Result<(), DeltaIndexError> {
    let wrong = |what: &str, expected: String, found: String| {
        Err(DeltaIndexError { what: what.to_owned(), expected, found })
    };
    let bytes: Option<u64> = group
        .chunks
        .iter()
        .map(|place| bundle.chunks.get(*place as usize).map(|chunk| u64::from(chunk.size)))
        .sum();
    match bytes {
        Some(bytes) if bytes <= GROUP_BYTES_MAX => {}
        Some(bytes) => {
            return wrong("group", format!("at most {GROUP_BYTES_MAX} bytes"), bytes.to_string());
        }
        None => return wrong("group", "chunks of the bundle".to_owned(), "others".to_owned()),
    }
    let mut together = 0_u64;
    for piece in &group.pieces {
        let old = piece.old_bytes();
        let end = piece.old_at.saturating_add(old);
        together = match group.method {
            DeltaMethod::Words => old,
            DeltaMethod::Zstd => together.saturating_add(old),
        };
        if end > piece.old_size || together > OLD_BYTES_MAX {
            let expected = format!("at most {OLD_BYTES_MAX} bytes of {}", piece.old_size);
            return wrong("old part", expected, format!("{} to {end}", piece.old_at));
        }
    }
    Ok(())
}

fn size_of(entry: &TreeEntry) -> Option<(&TreePath, u64)> {
    match &entry.node {
        TreeNode::File { size, .. } => Some((&entry.path, size.0)),
        _ => None,
    }
}
