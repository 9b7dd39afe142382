//! What a record must hold before a host believes it: a signature says who wrote it, not that it is sound.

use super::{Bundle, PackRecord, RECORD_FORMAT, TreeEntry, TreeNode, delta};
use crate::{RuleBreak, alike::merged, manifest, runbook};
use refit_names::{Coded, ErrorClass};
use std::collections::{BTreeMap, BTreeSet};

/// Entries of one tree: the largest products of the field have some 100,000 files.
pub const ENTRIES_MAX: usize = 500_000;
/// Bytes of one chunk's content: chunks are held in memory while they are verified.
const CHUNK_BYTES_MAX: u32 = 16 << 20;
/// Bytes of one frame: zstd grows data that does not compress by less than this.
const FRAME_BYTES_MAX: u32 = CHUNK_BYTES_MAX + (1 << 20);
/// How many times the bundle's size its tree may have: chunks that are used again and again must not fill disks.
const EXPANSION_MAX: u64 = 1000;
/// What the smallest bundle may grow to.
const EXPANSION_FLOOR: u64 = 8 << 30;
/// Permission bits without set-user-id, set-group-id and sticky: a pack has no business with these.
const MODE_BITS: u32 = 0o777;

/// Why a record is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another format.
    #[error("record has format `{found}`, expected `{RECORD_FORMAT}`")]
    Format {
        /// What stands there.
        found: String,
    },
    /// Its manifest breaks a rule.
    #[error("manifest of the record, {0}")]
    Manifest(RuleBreak),
    /// Its runbook breaks a rule.
    #[error("runbook of the record, {0}")]
    Runbook(RuleBreak),
    /// An entry of a tree breaks a rule.
    #[error("{tree} entry `{path}`: expected {expected}, found {found}")]
    Entry {
        /// `payload` or `web`.
        tree: &'static str,
        /// The entry.
        path: String,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A delta set breaks a rule.
    #[error("deltas from `{from}`: expected {expected}, found {found}")]
    Delta {
        /// The older build.
        from: String,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A chunk of the bundle breaks a rule.
    #[error("chunk {index} of the bundle: expected {expected}, found {found}")]
    Chunk {
        /// Its place, from 0.
        index: usize,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
}

impl Coded for RecordError {
    fn code(&self) -> &'static str {
        "pack.record-unsound"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// Holds a record against all rules: its manifest, its runbook, its trees and its chunks.
///
/// Afterwards every path is unique, unless the manifest says otherwise also where upper and lower case are the same, every link ends inside its tree,
/// every chunk index exists, and every file is as long as its chunks.
///
/// # Errors
/// [`RecordError`] names the entry, what was expected and what was found.
pub fn validate(record: &PackRecord) -> Result<(), RecordError> {
    if record.format != RECORD_FORMAT {
        return Err(RecordError::Format { found: record.format.clone() });
    }
    manifest::check(&record.manifest).map_err(RecordError::Manifest)?;
    runbook::check(&record.runbook).map_err(RecordError::Runbook)?;
    check_fit(record)?;
    check_bundle(&record.bundle)?;
    check_deltas(record)?;
    let case_sensitive = record.manifest.requirements.case_sensitive;
    check_tree("payload", &record.payload, &record.bundle, case_sensitive)?;
    check_tree("web", &record.web, &record.bundle, case_sensitive)
}

/// What the manifest says must fit to the runbook and to the payload.
fn check_fit(record: &PackRecord) -> Result<(), RecordError> {
    let there: BTreeSet<_> = record.payload.iter().map(|entry| &entry.path).collect();
    let has = |path: &refit_names::TreePath| there.contains(path);
    let misfit = manifest::misfits(&record.manifest, &record.runbook, &has).into_iter().next();
    misfit.map_or(Ok(()), |misfit| Err(RecordError::Manifest(misfit)))
}

fn check_bundle(bundle: &Bundle) -> Result<(), RecordError> {
    let mut ids = BTreeSet::new();
    let mut end = 0;
    for (index, chunk) in bundle.chunks.iter().enumerate() {
        let wrong = |expected: String, found: String| RecordError::Chunk { index, expected, found };
        if chunk.offset != end {
            return Err(wrong(format!("offset {end}"), chunk.offset.to_string()));
        }
        if !(1..=CHUNK_BYTES_MAX).contains(&chunk.size) {
            return Err(wrong(format!("1 to {CHUNK_BYTES_MAX} bytes"), chunk.size.to_string()));
        }
        if !(1..=FRAME_BYTES_MAX).contains(&chunk.stored) {
            return Err(wrong(format!("1 to {FRAME_BYTES_MAX} stored"), chunk.stored.to_string()));
        }
        if !ids.insert(chunk.id) {
            return Err(wrong("each chunk once".to_owned(), format!("{} twice", chunk.id)));
        }
        end = end.saturating_add(u64::from(chunk.stored));
    }
    if bundle.size.0 == end {
        return Ok(());
    }
    Err(RecordError::Chunk {
        index: bundle.chunks.len(),
        expected: format!("the bundle to end at byte {end}"),
        found: format!("{} bytes", bundle.size.0),
    })
}

/// Deltas are from builds that the pack can follow, each once, and their indices are chunks that the bundle has.
fn check_deltas(record: &PackRecord) -> Result<(), RecordError> {
    let mut seen = BTreeSet::new();
    for set in &record.bundle.deltas {
        let wrong = |expected: &str, found: String| RecordError::Delta {
            from: set.from.to_string(),
            expected: expected.to_owned(),
            found,
        };
        if seen.len() >= delta::DELTA_SETS_MAX {
            return Err(wrong("at most 64 sets", record.bundle.deltas.len().to_string()));
        }
        if !seen.insert(&set.from) {
            return Err(wrong("each older build once", "it twice".to_owned()));
        }
        if !record.manifest.from.contains(&set.from) {
            return Err(wrong("a build that stands in `from`", "another".to_owned()));
        }
        let length = length_of(&set.index, &record.bundle)
            .map_err(|found| wrong("an index of chunks that the bundle has", found))?;
        if length > delta::INDEX_BYTES_MAX {
            return Err(wrong("an index of at most 64 MiB", format!("{length} bytes")));
        }
    }
    Ok(())
}

fn check_tree(
    tree: &'static str,
    entries: &[TreeEntry],
    bundle: &Bundle,
    case_sensitive: bool,
) -> Result<(), RecordError> {
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    let mut before: Option<&TreeEntry> = None;
    let most = bundle.size.0.saturating_mul(EXPANSION_MAX).max(EXPANSION_FLOOR);
    let mut total = 0_u64;
    for (index, entry) in entries.iter().enumerate() {
        let path = entry.path.as_str();
        let wrong = |expected: &str, found: String| RecordError::Entry {
            tree,
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        };
        if index >= ENTRIES_MAX {
            return Err(wrong("at most 500000 entries", format!("{} entries", entries.len())));
        }
        if let Some(before) = before
            && before.path >= entry.path
        {
            return Err(wrong(
                "entries sorted by path, each once",
                format!("it after `{}`", before.path),
            ));
        }
        before = Some(entry);
        if !case_sensitive && let Some(twin) = folded.insert(merged(path), path) {
            return Err(wrong("paths that differ in more than case", format!("also `{twin}`")));
        }
        if let Some((parent, _)) = path.rsplit_once('/')
            && !folders.contains(parent)
        {
            return Err(wrong("its folder before it", format!("no folder `{parent}`")));
        }
        match &entry.node {
            TreeNode::Folder { mode } => {
                check_mode(*mode).map_err(|found| wrong("permission bits up to 777", found))?;
                folders.insert(path);
            }
            TreeNode::File { mode, size, chunks, .. } => {
                check_mode(*mode).map_err(|found| wrong("permission bits up to 777", found))?;
                let length = length_of(chunks, bundle)
                    .map_err(|found| wrong("chunks that the bundle has", found))?;
                total = total.saturating_add(length);
                if total > most {
                    let expected = format!("at most {most} bytes in all from this bundle");
                    return Err(wrong(&expected, total.to_string()));
                }
                if length != size.0 {
                    let expected = format!("chunks of {} bytes together", size.0);
                    return Err(wrong(&expected, format!("{length}")));
                }
            }
            TreeNode::Link { target } => check_link(path, target)
                .map_err(|found| wrong("a relative link that stays in the tree", found))?,
        }
    }
    Ok(())
}

fn check_mode(mode: u32) -> Result<(), String> {
    if mode & !MODE_BITS == 0 { Ok(()) } else { Err(format!("{mode:o}")) }
}

fn length_of(chunks: &[u32], bundle: &Bundle) -> Result<u64, String> {
    let size_of = |index: &u32| {
        let place = usize::try_from(*index).unwrap_or(usize::MAX);
        let chunk = bundle.chunks.get(place);
        chunk
            .map(|chunk| u64::from(chunk.size))
            .ok_or_else(|| format!("chunk {index} of {}", bundle.chunks.len()))
    };
    chunks.iter().map(size_of).sum()
}

/// Whether a link at `path` to `target` stays in its tree whatever else the tree has.
#[must_use]
pub fn link_stays(path: &str, target: &str) -> bool {
    check_link(path, target).is_ok()
}

/// A link may go up only before it goes down: after a name, which may itself be a link, `..` could lead anywhere.
fn check_link(path: &str, target: &str) -> Result<(), String> {
    let found = || format!("`{target}`");
    if target.is_empty() || target.starts_with('/') || target.contains(['\0', '\\']) {
        return Err(found());
    }
    let mut depth = path.matches('/').count();
    let mut went_down = false;
    for part in target.split('/') {
        match part {
            "" => return Err(found()),
            "." => {}
            ".." if went_down || depth == 0 => return Err(found()),
            ".." => depth -= 1,
            _ => went_down = true,
        }
    }
    Ok(())
}
