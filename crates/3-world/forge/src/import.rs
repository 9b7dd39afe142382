//! A foreign archive, or a folder, becomes a pack's folder: everything is checked before anything appears.

mod archive;
mod deb;
mod folder;
mod place;
mod sheet;

use crate::ForgeError;
use refit_names::{BuildId, ByteSize, ProductName};
use std::{fs, path::Path};

pub use archive::Format;
use place::Place;

/// What the manifest is filled in with.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The product; the archive's own name for it, or its file name, if none is given.
    pub product: Option<ProductName>,
    /// The build that the pack leads to.
    pub to: Option<BuildId>,
    /// Builds that it upgrades.
    pub from: Vec<BuildId>,
    /// Folders at the beginning of each path that are left out.
    pub strip: usize,
    /// Bytes that may come out of it.
    pub size_max: ByteSize,
    /// Takes names that differ only by case, and says so in the manifest. A Debian package may always have them.
    pub case_sensitive: bool,
}

/// What came out of it.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// What it was.
    pub format: Format,
    /// Files, folders and links of the payload.
    pub entries: usize,
    /// Bytes of its files.
    pub size: ByteSize,
    /// The product in the manifest.
    pub product: ProductName,
    /// The build in the manifest.
    pub to: BuildId,
}

/// Makes the pack's folder `out` from `from`: an archive or a folder. It appears whole or not at all.
///
/// Shape: nothing is ever written outside a new folder beside `out`; modes become 755 and 644; owners and times are left behind.
///
/// # Errors
/// [`ForgeError::Exists`] when `out` is there; [`ForgeError::Import`] with everything that cannot become part of a tree;
/// [`ForgeError::Archive`] when the archive cannot be read, [`ForgeError::Bomb`] when more comes out of it than may.
pub fn import(
    from: &Path,
    out: &Path,
    options: &ImportOptions,
) -> Result<ImportReport, ForgeError> {
    if fs::symlink_metadata(out).is_ok() {
        return Err(ForgeError::Exists { path: out.to_owned() });
    }
    let beside = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let beside = beside.unwrap_or(Path::new("."));
    let staged = tempfile::tempdir_in(beside).map_err(ForgeError::write(beside))?;
    let payload = staged.path().join("payload");
    fs::create_dir(&payload).map_err(ForgeError::write(&payload))?;

    let mut place = Place::new(from, &payload, options);
    let (format, told) = if from.is_dir() {
        folder::fill(from, &mut place)?;
        (Format::Folder, sheet::Told::default())
    } else {
        archive::fill(from, &mut place)?
    };
    let (entries, size, has_twins) = place.finish()?;
    let (product, to) = sheet::write(staged.path(), from, &told, options, has_twins)?;
    fs::rename(staged.keep(), out).map_err(ForgeError::write(out))?;
    set_mode(out, 0o755)?;
    Ok(ImportReport { format, entries, size, product, to })
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ForgeError> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(path, mode).map_err(ForgeError::write(path))
}
