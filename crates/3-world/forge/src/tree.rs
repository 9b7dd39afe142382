//! A folder becomes the entries of a tree, its files chunks of a bundle.

use crate::ForgeError;
use refit_content::chunking;
use refit_names::{ByteSize, ChunkId, Digest, TreePath};
use refit_packs::alike::{difference, merged};
use refit_packs::manifest::Requirements;
use refit_packs::record::{Chunk, TreeEntry, TreeNode};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Modes are made plain, so that the umask of whoever builds does not change the pack.
const MODE_FOLDER: u32 = 0o755;
const MODE_FILE: u32 = 0o644;
const MODE_PROGRAM: u32 = 0o755;
/// Folders within folders; deeper trees hit path limits elsewhere.
const DEPTH_MAX: usize = 64;

/// Collects chunks, each once, in the order in which they are first seen.
pub(crate) struct BundleWriter<'a> {
    out: BufWriter<&'a File>,
    path: &'a Path,
    digest: Sha256,
    length: u64,
    places: BTreeMap<ChunkId, u32>,
    chunks: Vec<Chunk>,
}

impl<'a> BundleWriter<'a> {
    pub(crate) fn new(out: &'a File, path: &'a Path) -> Self {
        Self {
            out: BufWriter::new(out),
            path,
            digest: Sha256::new(),
            length: 0,
            places: BTreeMap::new(),
            chunks: Vec::new(),
        }
    }

    fn add(&mut self, content: &[u8]) -> Result<u32, ForgeError> {
        let id = chunking::chunk_id(content);
        if let Some(place) = self.places.get(&id) {
            return Ok(*place);
        }
        let too_many = |_| ForgeError::UnfitTree {
            path: self.path.to_owned(),
            why: "it has more than 4 billion chunks".to_owned(),
        };
        let place = u32::try_from(self.chunks.len()).map_err(too_many)?;
        let frame = chunking::compress(content).map_err(ForgeError::write(self.path))?;
        let stored = u32::try_from(frame.len()).map_err(too_many)?;
        let size = u32::try_from(content.len()).map_err(too_many)?;
        self.out.write_all(&frame).map_err(ForgeError::write(self.path))?;
        self.digest.update(&frame);
        self.chunks.push(Chunk { id, offset: self.length, stored, size });
        self.length += u64::from(stored);
        self.places.insert(id, place);
        Ok(place)
    }

    /// Appends bytes that are no file, such as deltas, as chunks of the largest size; returns their places.
    pub(crate) fn add_parts(&mut self, bytes: &[u8]) -> Result<Vec<u32>, ForgeError> {
        bytes.chunks(chunking::CHUNK_BYTES_MAX).map(|part| self.add(part)).collect()
    }

    /// The chunks so far.
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Bytes so far.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Where it is written.
    pub(crate) const fn path(&self) -> &Path {
        self.path
    }

    /// The chunks, the length of the whole and its digest.
    pub(crate) fn finish(mut self) -> Result<(Vec<Chunk>, ByteSize, Digest), ForgeError> {
        self.out.flush().map_err(ForgeError::write(self.path))?;
        Ok((self.chunks, ByteSize(self.length), Digest::from_bytes(self.digest.finalize().into())))
    }
}

/// The regular files below `root`, as [`pack`] would find them.
pub(crate) fn files(root: &Path) -> Result<BTreeMap<TreePath, PathBuf>, ForgeError> {
    let mut found = BTreeMap::new();
    list(root, "", 0, &mut found)?;
    found.retain(|_, place| fs::symlink_metadata(place).is_ok_and(|found| found.is_file()));
    Ok(found)
}

/// SHA-256 of a file.
pub(crate) fn digest_of(path: &Path) -> Result<Digest, ForgeError> {
    let mut file = File::open(path).map_err(ForgeError::read(path))?;
    let (mut digest, mut block) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut block).map_err(ForgeError::read(path))? {
            0 => return Ok(Digest::from_bytes(digest.finalize().into())),
            count => digest.update(&block[..count]),
        }
    }
}

/// Packs all that is below `root`.
pub(crate) fn pack(
    root: &Path,
    requirements: &Requirements,
    bundle: &mut BundleWriter<'_>,
) -> Result<Vec<TreeEntry>, ForgeError> {
    let mut found = BTreeMap::new();
    list(root, "", 0, &mut found)?;
    if !requirements.case_sensitive {
        refuse_twins(&found)?;
    }
    found
        .into_iter()
        .map(|(path, place)| Ok(TreeEntry { node: node(&path, &place, bundle)?, path }))
        .collect()
}

/// Every entry below `folder`, by its path in the tree. Parents come before children because a prefix sorts first.
fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut BTreeMap<TreePath, PathBuf>,
) -> Result<(), ForgeError> {
    if depth > DEPTH_MAX {
        return Err(ForgeError::UnfitTree {
            path: folder.to_owned(),
            why: format!("it lies more than {DEPTH_MAX} folders deep"),
        });
    }
    for entry in fs::read_dir(folder).map_err(ForgeError::read(folder))? {
        let entry = entry.map_err(ForgeError::read(folder))?;
        let unfit = |why: String| ForgeError::UnfitTree { path: entry.path(), why };
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| unfit("its name is not UTF-8".to_owned()))?;
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let path = TreePath::parse(path).map_err(|error| unfit(error.to_string()))?;
        if entry.file_type().map_err(ForgeError::read(entry.path()))?.is_dir() {
            list(&entry.path(), path.as_str(), depth + 1, found)?;
        }
        found.insert(path, entry.path());
    }
    Ok(())
}

/// Names that some file system takes for one.
fn refuse_twins(found: &BTreeMap<TreePath, PathBuf>) -> Result<(), ForgeError> {
    let mut seen: BTreeMap<String, &TreePath> = BTreeMap::new();
    for (path, place) in found {
        if let Some(other) = seen.insert(merged(path.as_str()), path) {
            return Err(ForgeError::UnfitTree {
                path: place.clone(),
                why: format!("it {}", difference(path.as_str(), other.as_str())),
            });
        }
    }
    Ok(())
}

fn node(
    path: &TreePath,
    place: &Path,
    bundle: &mut BundleWriter<'_>,
) -> Result<TreeNode, ForgeError> {
    let unfit = |why: &str| ForgeError::UnfitTree { path: place.to_owned(), why: why.to_owned() };
    let metadata = fs::symlink_metadata(place).map_err(ForgeError::read(place))?;
    if metadata.is_dir() {
        return Ok(TreeNode::Folder { mode: MODE_FOLDER });
    }
    if metadata.is_symlink() {
        let target = fs::read_link(place).map_err(ForgeError::read(place))?;
        let target = target.to_str().ok_or_else(|| unfit("its link's target is not UTF-8"))?;
        if !stays_inside(path, target) {
            return Err(unfit(&format!("its link to `{target}` leaves the tree")));
        }
        return Ok(TreeNode::Link { target: target.to_owned() });
    }
    if !metadata.is_file() {
        return Err(unfit("it is a device, pipe or socket; expected a file, folder or link"));
    }
    let mode = if metadata.permissions().mode() & 0o111 == 0 { MODE_FILE } else { MODE_PROGRAM };
    let file = File::open(place).map_err(ForgeError::read(place))?;
    let (mut digest, mut size, mut chunks) = (Sha256::new(), 0, Vec::new());
    for chunk in chunking::chunks_of(file) {
        let chunk = chunk.map_err(ForgeError::read(place))?;
        digest.update(&chunk);
        size += chunk.len() as u64;
        chunks.push(bundle.add(&chunk)?);
    }
    Ok(TreeNode::File {
        mode,
        size: ByteSize(size),
        digest: Digest::from_bytes(digest.finalize().into()),
        chunks,
    })
}

/// Whether a link at `path` to `target` ends inside the tree, read component by component.
fn stays_inside(path: &TreePath, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    let mut depth = path.as_str().matches('/').count();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_is_inside_only_if_every_step_is() {
        let at = |path: &str, target: &str| stays_inside(&TreePath::parse(path).unwrap(), target);
        assert!(at("a/b", "../c"));
        assert!(at("a/b", "c/d"));
        assert!(!at("a", "../c"));
        assert!(!at("a/b", "../../c"));
        assert!(!at("a/b", "/etc/passwd"));
        assert!(!at("a/b", "../../t/a/c"));
        assert!(!at("a/b", ""));
    }
}
