//! Copies that survive a power loss, and walks over trees.

use crate::{
    Quiet,
    error::BackupError,
    manifest::{SavedNode, SavedPath},
    meter::Meter,
    share::each,
};
use refit_names::{ByteSize, Digest};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes, Metadata, Permissions},
    io::{Read, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Large enough that hashing, not system calls, takes the time.
const BUFFER_BYTES: usize = 256 << 10;

/// Copies a file so that it survives a power loss: shares its blocks where the file system can, else writes it again.
/// The content's digest and length are those of what was written.
///
/// # Errors
/// [`BackupError::Io`] when a file cannot be read or written.
pub fn clone_or_copy(from: &Path, to: &Path) -> Result<(ByteSize, Digest), BackupError> {
    let (target, measured) = copy(from, to, &Meter::default())?;
    target.sync_all().map_err(BackupError::io("write to disk", to))?;
    Ok(measured)
}

/// As [`clone_or_copy`], but the caller makes it durable, many at once.
///
/// # Errors
/// [`BackupError::Io`] when a file cannot be read or written.
pub fn copy_for_now(from: &Path, to: &Path) -> Result<(ByteSize, Digest), BackupError> {
    copy_for_now_told(from, to, &Meter::default())
}

/// As [`copy_for_now`], counted.
pub(crate) fn copy_for_now_told(
    from: &Path,
    to: &Path,
    meter: &Meter,
) -> Result<(ByteSize, Digest), BackupError> {
    copy(from, to, meter).map(|(_, measured)| measured)
}

fn copy(from: &Path, to: &Path, meter: &Meter) -> Result<(File, (ByteSize, Digest)), BackupError> {
    let source = File::open(from).map_err(BackupError::io("open", from))?;
    let target = File::create_new(to).map_err(BackupError::io("create", to))?;
    let measured = if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        measure_told(to, meter)?
    } else {
        let mut keep = into(&target, to);
        pour(source, ("read", from), Some(&mut keep), meter)?
    };
    Ok((target, measured))
}

/// Makes everything durable that lies on the file system of `folder`: one call instead of one for each of many files.
///
/// # Errors
/// [`BackupError::Io`] when the folder cannot be opened or its volume refuses.
pub fn sync_volume(folder: &Path) -> Result<(), BackupError> {
    let handle = File::open(folder).map_err(BackupError::io("open folder", folder))?;
    rustix::fs::syncfs(&handle)
        .map_err(|error| BackupError::io("write to disk what lies beside", folder)(error.into()))
}

/// Length and digest of a file as it is read back.
///
/// # Errors
/// [`BackupError::Io`] when it cannot be read.
pub fn measure(path: &Path) -> Result<(ByteSize, Digest), BackupError> {
    measure_told(path, &Meter::default())
}

/// As [`measure`], counted.
pub(crate) fn measure_told(path: &Path, meter: &Meter) -> Result<(ByteSize, Digest), BackupError> {
    pour(File::open(path).map_err(BackupError::io("open", path))?, ("read", path), None, meter)
}

/// Takes what was read.
type Keep<'a> = dyn FnMut(&[u8]) -> Result<(), BackupError> + 'a;

fn pour(
    mut source: impl Read,
    (what, from): (&'static str, &Path),
    mut keep: Option<&mut Keep<'_>>,
    meter: &Meter,
) -> Result<(ByteSize, Digest), BackupError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    loop {
        let count = source.read(&mut buffer).map_err(BackupError::io(what, from))?;
        if count == 0 {
            return Ok((ByteSize(size), Digest::from_bytes(hash.finalize().into())));
        }
        hash.update(&buffer[..count]);
        size += count as u64;
        if let Some(keep) = &mut keep {
            keep(&buffer[..count])?;
        }
        meter.add(count as u64);
    }
}

fn into<'a>(
    mut file: &'a File,
    path: &'a Path,
) -> impl FnMut(&[u8]) -> Result<(), BackupError> + 'a {
    move |bytes| file.write_all(bytes).map_err(BackupError::io("write", path))
}

/// Writes what a program produces into the new file `copy`, counted and hashed on the way. All of it is read again at once and
/// compared byte by byte, which costs less than a second hash. The caller makes it durable.
pub(crate) fn pour_into(
    stream: &mut dyn Read,
    copy: &Path,
    meter: &Meter,
) -> Result<(ByteSize, Digest), BackupError> {
    let opened = File::options().read(true).write(true).create_new(true).open(copy);
    let file = opened.map_err(BackupError::io("create", copy))?;
    let differs = |expected: String, found: String| {
        let path = copy.to_owned();
        BackupError::Damaged { path, expected, found }
    };
    let (mut back, mut at) = (vec![0; BUFFER_BYTES], 0_u64);
    let mut keep = |bytes: &[u8]| {
        (&file).write_all(bytes).map_err(BackupError::io("write", copy))?;
        let back = &mut back[..bytes.len()];
        file.read_exact_at(back, at).map_err(BackupError::io("read", copy))?;
        if back != bytes {
            return Err(differs(
                format!("what was written from byte {at} on"),
                "other bytes".to_owned(),
            ));
        }
        at += bytes.len() as u64;
        Ok(())
    };
    let what = ("read the dump for", copy);
    let (size, digest) = pour(stream, what, Some(&mut keep), meter)?;
    let found = file.metadata().map_err(BackupError::io("look at", copy))?.len();
    if found != size.0 {
        return Err(differs(format!("{} bytes", size.0), format!("{found} bytes")));
    }
    Ok((size, digest))
}

/// Writes what a program produces into the new file `path`, which need not survive a power loss.
pub(crate) fn pour_for_now(
    stream: &mut dyn Read,
    path: &Path,
    meter: &Meter,
) -> Result<(), BackupError> {
    let file = File::create_new(path).map_err(BackupError::io("create", path))?;
    pour(stream, ("read the dump for", path), Some(&mut into(&file, path)), meter).map(drop)
}

/// Makes the names in a folder survive a power loss.
///
/// # Errors
/// [`BackupError::Io`] when the folder cannot be opened or synchronised.
pub fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    let handle = File::open(folder).map_err(BackupError::io("open folder", folder))?;
    handle.sync_all().map_err(BackupError::io("write folder to disk", folder))
}

/// Makes a folder with its parents, durable.
pub(crate) fn make_folder(folder: &Path) -> Result<(), BackupError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(BackupError::io("make folder", folder)(error));
            }
            _ => sync_folder(parent)?,
        }
    }
    Ok(())
}

/// As [`make_folder`], but the caller makes it durable, many at once.
pub(crate) fn make_folder_for_now(folder: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(folder).map_err(BackupError::io("make folder", folder))
}

/// Everything at and below `top`, parents first, sorted, without `left_out`; sockets and devices are passed over.
pub(crate) fn walk(top: &Path, left_out: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>, BackupError> {
    let (found, _) = walk_while(Quiet::Stopped, top, left_out)?;
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// A path, and what was seen there.
pub(crate) type Found = (PathBuf, Metadata);

/// As [`walk`], with what was seen of each, and the bytes of all files; what a running product throws away between the listing and the
/// look is passed over. What lies beside each other in `top` is looked at by many hands.
pub(crate) fn walk_while(
    product_is: Quiet,
    top: &Path,
    left_out: &BTreeSet<PathBuf>,
) -> Result<(Vec<Found>, u64), BackupError> {
    let mut found = vec![];
    let beside = look(product_is, top.to_owned(), left_out, &mut found)?;
    let trees = each(&beside, |path| {
        let (mut found, mut open) = (vec![], vec![path.clone()]);
        while let Some(path) = open.pop() {
            open.extend(look(product_is, path, left_out, &mut found)?.into_iter().rev());
        }
        Ok(found)
    })?;
    found.extend(trees.into_iter().flatten());
    let files = found.iter().filter(|(_, seen)| seen.is_file());
    let bytes = files.map(|(_, seen)| seen.len()).sum();
    Ok((found, bytes))
}

/// Adds `path` to what was `found`, unless it is to be passed over; what lies in it, sorted.
fn look(
    product_is: Quiet,
    path: PathBuf,
    left_out: &BTreeSet<PathBuf>,
    found: &mut Vec<Found>,
) -> Result<Vec<PathBuf>, BackupError> {
    let gone = |error: &std::io::Error| {
        product_is == Quiet::Running && error.kind() == std::io::ErrorKind::NotFound
    };
    let mut below = vec![];
    if left_out.contains(&path) {
        return Ok(below);
    }
    let seen = match fs::symlink_metadata(&path) {
        Err(error) if gone(&error) => return Ok(below),
        seen => seen.map_err(BackupError::io("look at", &path))?,
    };
    if seen.is_dir() {
        let inside = match fs::read_dir(&path) {
            Err(error) if gone(&error) => return Ok(below),
            inside => inside.map_err(BackupError::io("list", &path))?,
        };
        below = inside
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(BackupError::io("list", &path))?;
        below.sort();
    }
    if seen.is_dir() || seen.is_file() || seen.is_symlink() {
        found.push((path, seen));
    }
    Ok(below)
}

/// Describes `path` relative to `root`, with `node` for what it is.
pub(crate) fn describe(
    root: &Path,
    path: &Path,
    seen: &Metadata,
    node: SavedNode,
) -> Result<SavedPath, BackupError> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let name = || BackupError::Name { path: path.to_owned() };
    let text = relative.to_str().ok_or_else(name)?.to_owned();
    let mode = seen.mode() & 0o7777;
    let (uid, gid) = (seen.uid(), seen.gid());
    Ok(SavedPath { path: text, mode, uid, gid, node, seen: None, reused: false })
}

/// Where a link points, as text.
pub(crate) fn link_target(path: &Path) -> Result<String, BackupError> {
    let target = fs::read_link(path).map_err(BackupError::io("read link", path))?;
    target.into_os_string().into_string().map_err(|_| BackupError::Name { path: path.to_owned() })
}

/// Gives `path` the saved owner and rights.
pub(crate) fn set_rights(path: &Path, saved: &SavedPath) -> Result<(), BackupError> {
    let seen = fs::symlink_metadata(path).map_err(BackupError::io("look at", path))?;
    let other = (seen.uid(), seen.gid()) != (saved.uid, saved.gid);
    if other {
        std::os::unix::fs::lchown(path, Some(saved.uid), Some(saved.gid))
            .map_err(BackupError::io("give owner to", path))?;
    }
    // Setting what is set already would still make the file look changed to the next backup.
    if !seen.is_symlink() && (other || seen.mode() & 0o7777 != saved.mode) {
        // Giving an owner takes special bits away, so rights come last.
        fs::set_permissions(path, Permissions::from_mode(saved.mode))
            .map_err(BackupError::io("set rights of", path))?;
    }
    Ok(())
}

/// Gives a copy the rights, owner and time of the live file, so that whatever reads backups later sees them.
pub(crate) fn look_alike(
    copy: &Path,
    saved: &SavedPath,
    seen: &Metadata,
) -> Result<(), BackupError> {
    let file = File::open(copy).map_err(BackupError::io("open", copy))?;
    let times = seen.modified().map(|modified| FileTimes::new().set_modified(modified));
    times.and_then(|times| file.set_times(times)).map_err(BackupError::io("set time of", copy))?;
    give_rights(copy, saved)
}

/// Gives a copy in a backup the saved rights, and the owner where the agent may do that: the manifest knows both.
pub(crate) fn give_rights(copy: &Path, saved: &SavedPath) -> Result<(), BackupError> {
    match std::os::unix::fs::lchown(copy, Some(saved.uid), Some(saved.gid)) {
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            return Err(BackupError::io("give owner to", copy)(error));
        }
        _ => {}
    }
    let rights = Permissions::from_mode(saved.mode);
    fs::set_permissions(copy, rights).map_err(BackupError::io("set rights of", copy))
}

/// The folder in which Python keeps compiled sources.
const BYTECODE: &str = "__pycache__";

/// What a tree looks like: SHA-256 over the path, rights and content of everything in it.
///
/// Without [`BYTECODE`]: Python writes it beside its sources while the release runs, and makes it anew from them.
///
/// # Errors
/// [`BackupError::Io`] when something in it cannot be read.
pub fn tree_digest(top: &Path) -> Result<Digest, BackupError> {
    let mut hash = Sha256::new();
    let is_made_anew = |path: &Path| path.components().any(|part| part.as_os_str() == BYTECODE);
    for path in walk(top, &BTreeSet::new())? {
        if path.strip_prefix(top).is_ok_and(is_made_anew) {
            continue;
        }
        let seen = fs::symlink_metadata(&path).map_err(BackupError::io("look at", &path))?;
        let node = if seen.is_dir() {
            SavedNode::Folder {}
        } else if seen.is_symlink() {
            SavedNode::Link { target: link_target(&path)? }
        } else {
            let (size, digest) = measure(&path)?;
            SavedNode::File { size, digest }
        };
        let saved = describe(top, &path, &seen, node)?;
        hash.update(format!("{}\0{:o}\0{:?}\n", saved.path, saved.mode, saved.node));
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Produces a few bytes; when it ends, somebody else has written to the file too.
    struct Meddled<'a>(Option<&'a [u8]>, &'a Path);

    impl Read for Meddled<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(bytes) = self.0.take() else {
                File::options().append(true).open(self.1)?.write_all(b"!")?;
                return Ok(0);
            };
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_tree_looks_the_same_after_python_ran_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.py"), "print(1)").unwrap();
        let before = tree_digest(folder.path()).unwrap();
        fs::create_dir(folder.path().join(BYTECODE)).unwrap();
        fs::write(folder.path().join(BYTECODE).join("app.cpython-311.pyc"), "x").unwrap();
        assert_eq!(tree_digest(folder.path()).unwrap(), before);
        fs::write(folder.path().join("app.py"), "print(2)").unwrap();
        assert_ne!(tree_digest(folder.path()).unwrap(), before);
    }

    #[test]
    fn a_dump_counts_when_its_file_is_what_was_produced_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, other) = (folder.path().join("whole"), folder.path().join("other"));
        let long: Vec<u8> = (0..3 * BUFFER_BYTES as u32 + 7).map(|n| (n % 251) as u8).collect();
        let poured = pour_into(&mut long.as_slice(), &whole, &Meter::default()).unwrap();
        assert_eq!(poured, (ByteSize(long.len() as u64), Digest::of(&long)));
        assert_eq!(measure(&whole).unwrap(), poured);
        let mut meddled = Meddled(Some(b"a dump"), &other);
        let error = pour_into(&mut meddled, &other, &Meter::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("{} has 7 bytes, expected 6 bytes", other.display()));
    }
}
