//! Optional parts: which entries of a payload are installed when people leave parts out.

use crate::{
    manifest::{Manifest, PartTerms},
    record::{PackRecord, TreeEntry},
};
use refit_names::{PartName, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// Why parts cannot be chosen as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// A part that no pack of a path has.
    #[error("no pack has the optional part `{part}`, expected {}", listed(known))]
    Unknown {
        /// What was asked for.
        part: PartName,
        /// What there is.
        known: BTreeSet<PartName>,
    },
    /// A part that shall be installed and left out.
    #[error("optional part `{part}` is both wanted and left out, expected one of the two")]
    Both {
        /// The part.
        part: PartName,
    },
}

fn listed(known: &BTreeSet<PartName>) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none: they have no parts".to_owned() } else { names.join(" or ") }
}

/// The parts that are installed: those that are by default, with `wanted` and without `unwanted`.
///
/// `packs` are the parts of each pack of a path. Where packs disagree about a default, the last one that has the part decides.
///
/// # Errors
/// [`PartError`] for the first name that is both wanted and not, or that no pack has.
pub fn choose<'a>(
    packs: impl Iterator<Item = &'a BTreeMap<PartName, PartTerms>>,
    wanted: &BTreeSet<PartName>,
    unwanted: &BTreeSet<PartName>,
) -> Result<BTreeSet<PartName>, PartError> {
    if let Some(part) = wanted.intersection(unwanted).next() {
        return Err(PartError::Both { part: part.clone() });
    }
    let mut known: BTreeMap<&PartName, bool> = BTreeMap::new();
    for parts in packs {
        known.extend(parts.iter().map(|(name, part)| (name, part.default)));
    }
    if let Some(part) = wanted.iter().chain(unwanted).find(|part| !known.contains_key(part)) {
        let known = known.into_keys().cloned().collect();
        return Err(PartError::Unknown { part: part.clone(), known });
    }
    let chosen = known.into_iter().filter(|(name, default)| {
        !unwanted.contains(*name) && (*default || wanted.contains(*name))
    });
    Ok(chosen.map(|(name, _)| name.clone()).collect())
}

impl PackRecord {
    /// The payload without the parts that are not wanted, in the same order. A folder of which nothing is left but itself stays.
    #[must_use]
    pub fn entries_for(&self, parts: &BTreeSet<PartName>) -> Vec<TreeEntry> {
        let left_out = self.manifest.left_out(parts);
        let stays = |entry: &&TreeEntry| owner(&left_out, &entry.path).is_none();
        self.payload.iter().filter(stays).cloned().collect()
    }
}

impl Manifest {
    /// Paths of the payload that are not installed when only `parts` are wanted.
    fn left_out(&self, parts: &BTreeSet<PartName>) -> BTreeSet<&str> {
        let unwanted = self.parts.iter().filter(|(name, _)| !parts.contains(*name));
        unwanted.flat_map(|(_, part)| &part.paths).map(TreePath::as_str).collect()
    }
}

/// The path of `paths` that is `path` or a folder above it.
fn owner<'a>(paths: &BTreeSet<&'a str>, path: &TreePath) -> Option<&'a str> {
    let text = path.as_str();
    let above = text.match_indices('/').map(|(at, _)| &text[..at]);
    above.chain([text]).find_map(|path| paths.get(path).copied())
}
