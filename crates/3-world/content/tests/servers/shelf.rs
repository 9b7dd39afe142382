//! A tree with its bundle, made by hand, and a place to build it in. Shared by the tests beside it.

use refit_content::chunking;
use refit_names::{ByteSize, Digest, TargetName, TreePath};
use refit_packs::record::{Bundle, Chunk, TreeEntry, TreeNode};
use std::path::{Path, PathBuf};

pub(crate) struct Shelf {
    pub(crate) entries: Vec<TreeEntry>,
    pub(crate) bundle: Bundle,
    pub(crate) bytes: Vec<u8>,
}

impl Shelf {
    /// One file of noise, some 25 chunks.
    pub(crate) fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let content: Vec<u8> = (0..2_500_000)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 24) as u8
            })
            .collect();
        let (mut chunks, mut bytes) = (Vec::new(), Vec::new());
        for chunk in chunking::chunks_of(content.as_slice()) {
            let chunk = chunk.unwrap();
            let frame = chunking::compress(&chunk).unwrap();
            let (offset, stored, size) =
                (bytes.len() as u64, frame.len() as u32, chunk.len() as u32);
            chunks.push(Chunk { id: chunking::chunk_id(&chunk), offset, stored, size });
            bytes.extend(frame);
        }
        let node = TreeNode::File {
            mode: 0o644,
            size: ByteSize(content.len() as u64),
            digest: Digest::of(&content),
            chunks: (0..chunks.len() as u32).collect(),
        };
        let entries = vec![TreeEntry { path: TreePath::parse("file").unwrap(), node }];
        let bundle = Bundle {
            target: TargetName::parse("bundle").unwrap(),
            size: ByteSize(bytes.len() as u64),
            digest: Digest::of(&bytes),
            chunks,
            deltas: Vec::new(),
        };
        Self { entries, bundle, bytes }
    }
}

pub(crate) struct Place {
    _dir: tempfile::TempDir,
    into: PathBuf,
    cache: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (into, cache) = (dir.path().join("release"), dir.path().join("cache"));
        Self { _dir: dir, into, cache }
    }
    pub(crate) fn into(&self) -> &Path {
        &self.into
    }
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }
}

pub(crate) fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size_of(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
