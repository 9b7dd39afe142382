//! Which old file a new one came from: the same path, the same but for numbers, the same name elsewhere, or the same chunks.

use super::{OldBuild, old::OldFile};
use crate::ForgeError;
use refit_content::chunking;
use refit_names::{ChunkId, Digest, TreePath};
use refit_packs::record::{TreeEntry, TreeNode};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
};

/// Files below this are looked for by name only: their chunks say nothing.
const SIMILAR_BYTES_MIN: u64 = 16 << 10;

/// A new file and the old one that it came from.
pub(super) struct Pair {
    pub(super) path: TreePath,
    pub(super) size: u64,
    pub(super) chunks: Vec<u32>,
    pub(super) old: OldFile,
    pub(super) kin: Kin,
}

/// What became of the old file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// It only lies elsewhere.
    Moved,
    /// It has other content.
    Changed,
}

struct New<'a> {
    path: &'a TreePath,
    size: u64,
    digest: &'a Digest,
    chunks: &'a [u32],
}

/// The pairs in the order of the new paths. Files that are the same in the same place, and files without any kin, have none.
pub(super) fn pairs(
    old: &OldBuild,
    root: &Path,
    entries: &[TreeEntry],
) -> Result<Vec<Pair>, ForgeError> {
    let files = old.files();
    let by_digest: BTreeMap<Digest, &OldFile> =
        files.values().rev().map(|file| (file.digest, file)).collect();
    let (masked, named) = (by(files, mask), by(files, |path| mask(name(path))));
    let (mut pairs, mut lonely) = (Vec::new(), Vec::new());
    for new in entries.iter().filter_map(file) {
        let here = files.get(new.path);
        if new.size == 0 || here.is_some_and(|file| file.digest == *new.digest) {
            continue;
        }
        if let Some(file) = by_digest.get(new.digest) {
            pairs.push(pair(&new, file, Kin::Moved));
            continue;
        }
        let kin = here
            .or_else(|| closest(masked.get(&mask(new.path.as_str())), &new))
            .or_else(|| closest(named.get(&mask(name(new.path.as_str()))), &new));
        match kin.filter(|file| file.size > 0) {
            Some(file) => pairs.push(pair(&new, file, Kin::Changed)),
            None => lonely.push(new),
        }
    }
    pairs.extend(similar(old, root, &lonely, entries)?);
    pairs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(pairs)
}

fn file(entry: &TreeEntry) -> Option<New<'_>> {
    match &entry.node {
        TreeNode::File { size, digest, chunks, .. } => {
            Some(New { path: &entry.path, size: size.0, digest, chunks })
        }
        _ => None,
    }
}

fn pair(new: &New<'_>, old: &OldFile, kin: Kin) -> Pair {
    let (path, chunks) = (new.path.clone(), new.chunks.to_vec());
    Pair { path, size: new.size, chunks, old: old.clone(), kin }
}

fn by(
    files: &BTreeMap<TreePath, OldFile>,
    key: impl Fn(&str) -> String,
) -> BTreeMap<String, Vec<&OldFile>> {
    let mut groups: BTreeMap<String, Vec<&OldFile>> = BTreeMap::new();
    for file in files.values() {
        groups.entry(key(file.path.as_str())).or_default().push(file);
    }
    groups
}

/// Of files with the same key the one with the longest common beginning and end of the path, then with the nearest size.
fn closest<'a>(candidates: Option<&Vec<&'a OldFile>>, new: &New<'_>) -> Option<&'a OldFile> {
    let candidates = candidates?.iter();
    candidates
        .max_by_key(|file| {
            let (a, b) = (file.path.as_str(), new.path.as_str());
            let head = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
            let tail = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
            (head + tail, std::cmp::Reverse(file.size.abs_diff(new.size)))
        })
        .copied()
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// `libfoo.so.1.2` and `libfoo.so.1.13` have the same mask.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_ascii_digit() {
            masked.push(character);
        } else if !masked.ends_with('#') {
            masked.push('#');
        }
    }
    masked
}

/// New files without a name that helps, and the old file that they share most content with.
fn similar(
    old: &OldBuild,
    root: &Path,
    lonely: &[New<'_>],
    entries: &[TreeEntry],
) -> Result<Vec<Pair>, ForgeError> {
    let lonely: Vec<&New<'_>> = lonely.iter().filter(|new| new.size >= SIMILAR_BYTES_MIN).collect();
    if lonely.is_empty() {
        return Ok(Vec::new());
    }
    // Only what is gone from its place can have become something else.
    let stays: BTreeSet<&TreePath> = entries.iter().map(|entry| &entry.path).collect();
    let mut holders: BTreeMap<ChunkId, &OldFile> = BTreeMap::new();
    for file in old.files().values() {
        if file.size >= SIMILAR_BYTES_MIN && !stays.contains(&file.path) {
            for (id, _) in chunks_of(&old.root().join(file.path.as_str()))? {
                holders.entry(id).or_insert(file);
            }
        }
    }
    let mut pairs = Vec::new();
    for new in lonely {
        if holders.is_empty() {
            break;
        }
        let mut shared: BTreeMap<&TreePath, (usize, &OldFile)> = BTreeMap::new();
        for (id, size) in chunks_of(&root.join(new.path.as_str()))? {
            if let Some(file) = holders.get(&id) {
                shared.entry(&file.path).or_insert((0, *file)).0 += size;
            }
        }
        if let Some((_, file)) = shared.into_values().max_by_key(|(bytes, _)| *bytes) {
            pairs.push(pair(new, file, Kin::Changed));
        }
    }
    Ok(pairs)
}

fn chunks_of(path: &Path) -> Result<Vec<(ChunkId, usize)>, ForgeError> {
    let file = File::open(path).map_err(ForgeError::read(path))?;
    chunking::chunks_of(file)
        .map(|chunk| chunk.map(|chunk| (chunking::chunk_id(&chunk), chunk.len())))
        .collect::<Result<_, _>>()
        .map_err(ForgeError::read(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_tell_names_apart() {
        assert_eq!(mask("lib/libfoo.so.1.2"), mask("lib/libfoo.so.1.13"));
        assert_ne!(mask("lib/libfoo.so.1.2"), mask("lib/libfoo.so.1"));
        assert_eq!(name("a/b/c-1.jar"), "c-1.jar");
    }
}
