//! Targets on disk, named `FOLDER/DIGEST.NAME` as the TUF specification has it. They never change, so they are placed before the
//! metadata that names them.

use crate::{ForgeError, PackFile};
use refit_names::{Digest, TargetName};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

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
