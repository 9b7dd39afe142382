//! Copies that survive a power loss, and walks over trees.

use crate::{
    Quiet,
    error::BackupError,
    manifest::{SavedNode, SavedPath},
    meter::Meter,
};
use refit_names::{ByteSize, Digest};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes, Metadata, Permissions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
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
        pour(source, ("read", from), Some((&mut &target, to)), meter)?
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

fn pour(
    mut source: impl Read,
    (what, from): (&'static str, &Path),
    mut target: Option<(&mut dyn Write, &Path)>,
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
        if let Some((file, path)) = &mut target {
            file.write_all(&buffer[..count]).map_err(BackupError::io("write", path))?;
        }
        meter.add(count as u64);
    }
}

/// Writes what a program produces into the new file `copy`, counted and hashed on the way; with what came back when it was read
/// again. The caller makes it durable.
///
/// Reading follows writing while the program still works, so that it costs no time of its own.
pub(crate) fn pour_into(
    stream: &mut dyn Read,
    copy: &Path,
    meter: &Meter,
) -> Result<Poured, BackupError> {
    let file = File::create_new(copy).map_err(BackupError::io("create", copy))?;
    let back = File::open(copy).map_err(BackupError::io("open", copy))?;
    let (told, written) = mpsc::channel();
    thread::scope(|scope| {
        let follower = scope.spawn(move || {
            let following = Following { file: back, written, left: 0 };
            pour(following, ("read", copy), None, &Meter::default())
        });
        // Gone with the last byte: that ends the other one.
        let mut target = Told { file, told };
        let what = ("read the dump for", copy);
        let produced = pour(stream, what, Some((&mut target, copy)), meter);
        drop(target);
        let found = follower.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok(Poured { produced: produced?, found: found? })
    })
}

/// Writes what a program produces into the new file `path`, which need not survive a power loss.
pub(crate) fn pour_for_now(
    stream: &mut dyn Read,
    path: &Path,
    meter: &Meter,
) -> Result<(), BackupError> {
    let mut file = File::create_new(path).map_err(BackupError::io("create", path))?;
    pour(stream, ("read the dump for", path), Some((&mut file, path)), meter).map(drop)
}

/// Length and digest of what came from a program, and of what was read from its file.
pub(crate) struct Poured {
    pub(crate) produced: (ByteSize, Digest),
    pub(crate) found: (ByteSize, Digest),
}

/// A file that tells how many bytes were written.
struct Told {
    file: File,
    told: mpsc::Sender<u64>,
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        // Whoever follows may have failed, and says so itself.
        let _ = self.told.send(count as u64);
        Ok(count)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A file that is read as far as it is written, and to its end when nobody writes any more.
struct Following {
    file: File,
    written: mpsc::Receiver<u64>,
    left: u64,
}

impl Read for Following {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left == 0 {
            match self.written.recv() {
                Ok(count) => self.left = count,
                // Nothing may lie behind what was written.
                Err(mpsc::RecvError) => return self.file.read(buffer),
            }
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
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

/// As [`walk`], with what was seen of each, and the bytes of all files; what a running product throws away between the listing and the look is passed over.
pub(crate) fn walk_while(
    product_is: Quiet,
    top: &Path,
    left_out: &BTreeSet<PathBuf>,
) -> Result<(Vec<(PathBuf, Metadata)>, u64), BackupError> {
    let gone = |error: &std::io::Error| {
        product_is == Quiet::Running && error.kind() == std::io::ErrorKind::NotFound
    };
    let (mut found, mut bytes) = (vec![], 0);
    let mut open = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        if left_out.contains(&path) {
            continue;
        }
        let seen = match fs::symlink_metadata(&path) {
            Err(error) if gone(&error) => continue,
            seen => seen.map_err(BackupError::io("look at", &path))?,
        };
        if seen.is_dir() {
            let inside = match fs::read_dir(&path) {
                Err(error) if gone(&error) => continue,
                inside => inside.map_err(BackupError::io("list", &path))?,
            };
            let mut below = inside
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(BackupError::io("list", &path))?;
            below.sort_by(|a, b| b.cmp(a));
            open.extend(below);
        }
        if seen.is_dir() || seen.is_file() || seen.is_symlink() {
            bytes += if seen.is_file() { seen.len() } else { 0 };
            found.push((path, seen));
        }
    }
    Ok((found, bytes))
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

/// What a tree looks like: SHA-256 over the path, rights and content of everything in it.
///
/// # Errors
/// [`BackupError::Io`] when something in it cannot be read.
pub fn tree_digest(top: &Path) -> Result<Digest, BackupError> {
    let mut hash = Sha256::new();
    for path in walk(top, &BTreeSet::new())? {
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
    fn what_is_read_behind_a_dump_is_what_lies_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, other) = (folder.path().join("whole"), folder.path().join("other"));
        let long: Vec<u8> = (0..3 * BUFFER_BYTES as u32 + 7).map(|n| (n % 251) as u8).collect();
        let poured = pour_into(&mut long.as_slice(), &whole, &Meter::default()).unwrap();
        assert_eq!(poured.produced, (ByteSize(long.len() as u64), Digest::of(&long)));
        assert_eq!(poured.found, poured.produced);
        let mut meddled = Meddled(Some(b"a dump"), &other);
        let poured = pour_into(&mut meddled, &other, &Meter::default()).unwrap();
        assert_eq!(poured.produced, (ByteSize(6), Digest::of(b"a dump")));
        assert_eq!(poured.found, (ByteSize(7), Digest::of(b"a dump!")));
    }
}
