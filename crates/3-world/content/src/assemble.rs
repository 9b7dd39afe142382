//! Building a tree from what the seeds and the cache hold.

use crate::{
    ContentError, Realise,
    cache::{self, Cache},
    compare, seeds, tree,
};
use refit_names::{ByteSize, Digest};
use refit_packs::record::{TreeEntry, TreeNode};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
};

/// While it grows, only its owner looks into it.
const MODE_GROWING: u32 = 0o700;

/// Builds the tree beside its place, compares every file with its digest, makes it durable and renames it into place.
///
/// Shape: a tree that stands there already and is exactly this one is fine. Files are reflinks or copies of the seeds' files, never
/// hard links: the running release may write to its own.
///
/// # Errors
/// [`ContentError::ChunkMissing`] when [`crate::fetch`] must run (again); [`ContentError::Occupied`].
pub fn assemble(realise: &Realise<'_>) -> Result<(), ContentError> {
    tree::check_entries(realise.entries, realise.bundle)?;
    let into = realise.into;
    if fs::symlink_metadata(into).is_ok() {
        return tree::verify_tree(realise.entries, into).map_err(|source| ContentError::Occupied {
            path: into.to_owned(),
            source: Box::new(source),
        });
    }
    let cache = Cache::open_to_read(realise.cache, realise.bundle)?;
    let partial = tree::partial(into);
    remove(&partial)?;
    let parent =
        into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(ContentError::io("create", parent))?;
    if let Err(error) = build(realise, &partial, &cache) {
        // It is begun anew the next time. Until then its room is the product's, which may be all that its volume has.
        if let Err(left) = remove(&partial) {
            tracing::warn!("a release that was begun stays: {}", refit_names::chain(&left));
        }
        return Err(error);
    }
    let finish = || -> io::Result<()> {
        // One call for the whole tree: a call per file would cost minutes on trees with many small ones.
        rustix::fs::syncfs(File::open(&partial)?)?;
        fs::rename(&partial, into)?;
        File::open(parent)?.sync_all()
    };
    finish().map_err(ContentError::io("write", into))
}

fn build(realise: &Realise<'_>, partial: &Path, cache: &Cache) -> Result<(), ContentError> {
    make_folder(partial)?;
    for entry in realise.entries {
        place(realise, entry, partial, cache)?;
    }
    // From the leaves up, so that a folder without the right to write is closed after its content is there.
    for entry in realise.entries.iter().rev() {
        if let TreeNode::Folder { mode } = entry.node {
            set_mode(&partial.join(entry.path.as_str()), mode)?;
        }
    }
    set_mode(partial, 0o755)
}

fn remove(partial: &Path) -> Result<(), ContentError> {
    match fs::remove_dir_all(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ContentError::io("remove", partial)(error))
        }
        _ => Ok(()),
    }
}

fn make_folder(path: &Path) -> Result<(), ContentError> {
    fs::DirBuilder::new().mode(MODE_GROWING).create(path).map_err(ContentError::io("create", path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ContentError> {
    fs::set_permissions(path, Permissions::from_mode(mode & tree::MODE_BITS))
        .map_err(ContentError::io("write", path))
}

fn place(
    realise: &Realise<'_>,
    entry: &TreeEntry,
    partial: &Path,
    cache: &Cache,
) -> Result<(), ContentError> {
    let path = partial.join(entry.path.as_str());
    match &entry.node {
        TreeNode::Folder { .. } => make_folder(&path),
        TreeNode::Link { target } => {
            symlink(target, &path).map_err(ContentError::io("create", &path))
        }
        TreeNode::File { mode, size, digest, chunks } => {
            if take_made(realise, (*size, digest, chunks), &path)? {
                return set_mode(&path, *mode);
            }
            let mut file = File::options()
                .create_new(true)
                .read(true)
                .write(true)
                .open(&path)
                .map_err(ContentError::io("create", &path))?;
            if !take_twin(realise, entry, (*size, chunks), &mut file, &path)? {
                join_chunks(realise, entry, chunks, digest, &mut file, cache, &path)?;
            }
            file.set_permissions(Permissions::from_mode(mode & tree::MODE_BITS))
                .map_err(ContentError::io("write", &path))
        }
    }
}

/// Links the file that was made from a delta, if there is one. It was compared when it was made; unless all were made durable after
/// that, it is compared again.
///
/// Linked once: two files of the same content are two files, and the cache goes before the release runs.
fn take_made(
    realise: &Realise<'_>,
    (size, digest, chunks): (ByteSize, &Digest, &[u32]),
    path: &Path,
) -> Result<bool, ContentError> {
    let made = cache::made_folder(realise.cache, realise.bundle).join(digest.to_hex());
    if !made.metadata().is_ok_and(|found| found.is_file() && found.len() == size.0) {
        return Ok(false);
    }
    let is_durable = made.with_file_name(cache::DURABLE_MARK).exists();
    let is_right = || {
        compare::is_content(&made, realise.bundle, chunks).map_err(ContentError::io("read", &made))
    };
    if !is_durable && !is_right()? {
        fs::remove_file(&made).map_err(ContentError::io("remove", &made))?;
        return Ok(false);
    }
    let is_free = made.metadata().is_ok_and(|found| found.nlink() == 1);
    if is_free && fs::hard_link(&made, path).is_ok() {
        return Ok(true);
    }
    // Taken by another file already, another file system, or one without links.
    fs::copy(&made, path).map(|_| true).map_err(ContentError::io("write", path))
}

/// Takes the seed's file of the same path if it is the very same; leaves `file` empty otherwise.
fn take_twin(
    realise: &Realise<'_>,
    entry: &TreeEntry,
    (size, chunks): (ByteSize, &[u32]),
    file: &mut File,
    path: &Path,
) -> Result<bool, ContentError> {
    let Some(seed) = seeds::twin(realise.seeds, entry, size) else { return Ok(false) };
    let Ok(mut from) = File::open(&seed) else { return Ok(false) };
    if rustix::fs::ioctl_ficlone(&*file, &from).is_err() {
        io::copy(&mut from, file).map_err(ContentError::io("write", path))?;
    }
    if compare::is_content(path, realise.bundle, chunks).map_err(ContentError::io("read", path))? {
        return Ok(true);
    }
    file.set_len(0)
        .and_then(|()| io::Seek::rewind(file))
        .map_err(ContentError::io("write", path))?;
    Ok(false)
}

fn join_chunks(
    realise: &Realise<'_>,
    entry: &TreeEntry,
    chunks: &[u32],
    digest: &Digest,
    file: &mut File,
    cache: &Cache,
    path: &Path,
) -> Result<(), ContentError> {
    let mut found = Sha256::new();
    for place in chunks {
        let Some(chunk) = realise.bundle.chunks.get(*place as usize) else {
            return Err(ContentError::unfit(
                &entry.path,
                format!("it names chunk {place}, which the bundle does not have"),
            ));
        };
        let content = cache.get(&chunk.id).ok_or_else(|| ContentError::ChunkMissing {
            path: entry.path.to_string(),
            chunk: chunk.id,
        })?;
        found.update(&content);
        file.write_all(&content).map_err(ContentError::io("write", path))?;
    }
    let found = Digest::from_bytes(found.finalize().into());
    if found != *digest {
        return Err(ContentError::Differs {
            path: path.to_owned(),
            expected: digest.to_string(),
            found: found.to_string(),
        });
    }
    Ok(())
}
