//! What this host has already: whole files in the same place, and chunks anywhere in the seed folders.

use crate::{ContentError, Realise, cache::Cache, chunking, compare};
use refit_names::{ByteSize, ChunkId};
use refit_packs::record::{TreeEntry, TreeNode};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The seed's file at the same path, if it may be the one that is wanted: same length; its digest is the reader's concern.
pub(crate) fn twin(seeds: &[PathBuf], entry: &TreeEntry, size: ByteSize) -> Option<PathBuf> {
    seeds.iter().map(|seed| seed.join(entry.path.as_str())).find(|path| {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size.0)
    })
}

/// Whether some seed has the whole file.
pub(crate) fn has_whole(
    realise: &Realise<'_>,
    entry: &TreeEntry,
    size: ByteSize,
    chunks: &[u32],
) -> bool {
    twin(realise.seeds, entry, size).is_some_and(|path| {
        compare::is_content(&path, realise.bundle, chunks).is_ok_and(|fits| fits)
    })
}

/// Copies into the cache what the seeds hold of `missing`, and returns how many bytes of content that is.
///
/// Files of the same name come first: they are the older state of what is wanted, and usually all that is needed.
pub(crate) async fn harvest(
    realise: &Realise<'_>,
    missing: &mut BTreeSet<ChunkId>,
    cache: &mut Cache,
) -> Result<ByteSize, ContentError> {
    let mut harvested = ByteSize(0);
    let mut done = BTreeSet::new();
    let named = realise.entries.iter().filter(|entry| matches!(entry.node, TreeNode::File { .. }));
    let mut files: Vec<PathBuf> = named
        .flat_map(|entry| realise.seeds.iter().map(|seed| seed.join(entry.path.as_str())))
        .collect();
    for seed in realise.seeds {
        list(seed, &mut files);
    }
    for path in files {
        if missing.is_empty() {
            break;
        }
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() > 0)
            || !done.insert(path.clone())
        {
            continue;
        }
        harvest_file(&path, missing, cache, &mut harvested)?;
        tokio::task::yield_now().await;
    }
    Ok(harvested)
}

/// A seed that cannot be read is no seed; only the cache's own troubles count.
fn harvest_file(
    path: &Path,
    missing: &mut BTreeSet<ChunkId>,
    cache: &mut Cache,
    harvested: &mut ByteSize,
) -> Result<(), ContentError> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    for chunk in chunking::chunks_of(file) {
        let Ok(chunk) = chunk else { return Ok(()) };
        let id = chunking::chunk_id(&chunk);
        if missing.remove(&id) {
            cache.add_plain(id, &chunk)?;
            harvested.0 += chunk.len() as u64;
        }
    }
    Ok(())
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}
