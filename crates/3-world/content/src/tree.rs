//! What a list of entries may say, and whether a folder is exactly what it says.

use crate::ContentError;
use refit_names::Digest;
use refit_packs::record::{Bundle, TreeEntry, TreeNode};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Set-user-id and its like never come out of a pack.
pub(crate) const MODE_BITS: u32 = 0o777;
const BLOCK_BYTES: usize = 256 << 10;

/// Refuses entries that would write outside of the tree, or twice. The record was validated already; this room does not take that
/// for granted, because it is the one that writes.
pub(crate) fn check_entries(entries: &[TreeEntry], bundle: &Bundle) -> Result<(), ContentError> {
    let (mut folders, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        let path = entry.path.as_str();
        if !seen.insert(path) {
            return Err(ContentError::unfit(path, "it is listed twice"));
        }
        if path.rsplit_once('/').is_some_and(|(parent, _)| !folders.contains(parent)) {
            return Err(ContentError::unfit(path, "its folder is not listed before it"));
        }
        match &entry.node {
            TreeNode::Folder { .. } => {
                folders.insert(path);
            }
            TreeNode::Link { target } if !stays_inside(path, target) => {
                return Err(ContentError::unfit(
                    path,
                    format!("its link to `{target}` leaves the tree"),
                ));
            }
            TreeNode::Link { .. } => {}
            TreeNode::File { size, chunks, .. } => {
                let sizes: Option<u64> = chunks
                    .iter()
                    .map(|place| {
                        bundle.chunks.get(*place as usize).map(|chunk| u64::from(chunk.size))
                    })
                    .sum();
                if sizes != Some(size.0) {
                    return Err(ContentError::unfit(
                        path,
                        format!("its chunks have {sizes:?} bytes, expected {}", size.0),
                    ));
                }
            }
        }
    }
    Ok(())
}

fn stays_inside(path: &str, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') {
        return false;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

/// Proves that `dir` is exactly what `entries` say: nothing missing, nothing changed, nothing extra.
///
/// # Errors
/// [`ContentError::Differs`] for the first difference, with what was expected and found.
pub fn verify_tree(entries: &[TreeEntry], dir: &Path) -> Result<(), ContentError> {
    let mut found = BTreeMap::new();
    list(dir, "", &mut found)?;
    for entry in entries {
        let path = dir.join(entry.path.as_str());
        let expected = describe(&entry.node);
        let Some(metadata) = found.remove(entry.path.as_str()) else {
            return Err(ContentError::Differs { path, expected, found: "nothing".to_owned() });
        };
        let found = describe_found(&path, &metadata, &entry.node)?;
        if found != expected {
            return Err(ContentError::Differs { path, expected, found });
        }
    }
    match found.pop_first() {
        Some((path, _)) => Err(ContentError::Differs {
            path: dir.join(path),
            expected: "nothing".to_owned(),
            found: "something extra".to_owned(),
        }),
        None => Ok(()),
    }
}

fn list(
    dir: &Path,
    prefix: &str,
    found: &mut BTreeMap<String, fs::Metadata>,
) -> Result<(), ContentError> {
    for entry in fs::read_dir(dir).map_err(ContentError::io("read", dir))? {
        let entry = entry.map_err(ContentError::io("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let metadata = entry.metadata().map_err(ContentError::io("read", entry.path()))?;
        if metadata.is_dir() {
            list(&entry.path(), &path, found)?;
        }
        found.insert(path, metadata);
    }
    Ok(())
}

fn describe(node: &TreeNode) -> String {
    match node {
        TreeNode::Folder { mode } => format!("a folder with mode {:o}", mode & MODE_BITS),
        TreeNode::File { mode, size, digest, .. } => {
            format!("a file with mode {:o}, {} bytes, {digest}", mode & MODE_BITS, size.0)
        }
        TreeNode::Link { target } => format!("a link to `{target}`"),
    }
}

/// Describes what is there; content is read only where the length leaves a doubt.
fn describe_found(
    path: &Path,
    metadata: &fs::Metadata,
    expected: &TreeNode,
) -> Result<String, ContentError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_dir() {
        return Ok(format!("a folder with mode {mode:o}"));
    }
    if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(ContentError::io("read", path))?;
        return Ok(format!("a link to `{}`", target.display()));
    }
    if !metadata.is_file() {
        return Ok("a device, pipe or socket".to_owned());
    }
    let size = metadata.len();
    match expected {
        TreeNode::File { size: expected, .. } if expected.0 == size => {
            let digest = digest_of(path).map_err(ContentError::io("read", path))?;
            Ok(format!("a file with mode {mode:o}, {size} bytes, {digest}"))
        }
        _ => Ok(format!("a file with mode {mode:o}, {size} bytes")),
    }
}

/// SHA-256 of a file.
pub(crate) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let (mut digest, mut block) = (Sha256::new(), vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(Digest::from_bytes(digest.finalize().into())),
            count => digest.update(&block[..count]),
        }
    }
}

/// The twin in which a tree grows.
pub(crate) fn partial(into: &Path) -> PathBuf {
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    into.with_file_name(name)
}
