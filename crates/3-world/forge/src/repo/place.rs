//! Targets on disk, named `FOLDER/DIGEST.NAME` as the TUF specification has it. They never change, so they are placed before the
//! metadata that names them.

use crate::{ForgeError, PackFile};
use refit_names::{Digest, TargetName};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

const BLOCK_BYTES: usize = 256 << 10;

/// A target that is on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) digest: Digest,
    pub(super) length: u64,
}

/// Where a target with this digest is kept.
pub(super) fn path_of(targets_dir: &Path, name: &TargetName, digest: Digest) -> PathBuf {
    let (folder, file) = name.as_str().rsplit_once('/').unwrap_or(("", name.as_str()));
    targets_dir.join(folder).join(format!("{}.{file}", digest.to_hex()))
}

/// Places a small target.
pub(super) fn bytes(
    targets_dir: &Path,
    name: &TargetName,
    content: &[u8],
) -> Result<Placed, ForgeError> {
    let placed = Placed { digest: Digest::of(content), length: content.len() as u64 };
    let path = path_of(targets_dir, name, placed.digest);
    atomically(&path, |file| file.write_all(content).map_err(ForgeError::write(&path)))?;
    Ok(placed)
}

/// Places the bundle of a verified pack.
pub(super) fn bundle(
    targets_dir: &Path,
    name: &TargetName,
    pack: &PackFile,
) -> Result<Placed, ForgeError> {
    let bundle = &pack.record().bundle;
    let path = path_of(targets_dir, name, bundle.digest);
    atomically(&path, |file| pack.copy_bundle(file, &path))?;
    Ok(Placed { digest: bundle.digest, length: bundle.size.0 })
}

/// Writes a file beside its place, makes it durable and moves it there.
pub(super) fn atomically(
    path: &Path,
    fill: impl FnOnce(&mut File) -> Result<(), ForgeError>,
) -> Result<(), ForgeError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(ForgeError::write(folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(ForgeError::write(folder))?;
    fill(file.as_file_mut())?;
    let finish = || -> io::Result<()> {
        // Others serve these files.
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    finish().map_err(ForgeError::write(path))
}

/// Writes a small file whole.
pub(super) fn content(path: &Path, content: &[u8]) -> Result<(), ForgeError> {
    atomically(path, |file| file.write_all(content).map_err(ForgeError::write(path)))
}

/// Refuses a file that is not what metadata say.
pub(super) fn check_digest(path: &Path, digest: Digest, length: u64) -> Result<(), ForgeError> {
    let mut file = File::open(path).map_err(ForgeError::read(path))?;
    let mut hasher = Sha256::new();
    let (mut found, mut block) = (0, vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut block).map_err(ForgeError::read(path))? {
            0 => break,
            count => {
                hasher.update(&block[..count]);
                found += count as u64;
            }
        }
    }
    let sum = hex::encode(hasher.finalize());
    if found != length || sum != digest.to_hex() {
        return Err(ForgeError::BrokenRepository {
            path: path.to_owned(),
            why: format!("expected {length} bytes with {digest}, found {found} with sha256:{sum}"),
        });
    }
    Ok(())
}

/// Copies a target to its place.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), ForgeError> {
    atomically(to, |file| {
        let mut source = File::open(from).map_err(ForgeError::read(from))?;
        io::copy(&mut source, file).map(|_| ()).map_err(ForgeError::write(to))
    })
}
