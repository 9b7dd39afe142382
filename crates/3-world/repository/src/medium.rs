//! Media: packs with all their signed metadata in a folder, for sites that no network reaches.
//!
//! ```text
//! DIR/medium.json   what is on it: name, size and SHA-256 of every file
//! DIR/metadata/     the repository's metadata, whole
//! DIR/targets/      catalogue, runbooks, and the targets of the chosen packs
//! ```
//! The list helps to name what is missing or damaged; trust comes from the metadata alone, under the root that the receiver pinned.

mod error;
mod export;
mod import;

pub use error::MediumError;
pub use export::{Selection, export};
pub use import::{ImportOptions, ImportReport, import, verify};

use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// The value of `format` in a list that this code understands.
pub const MEDIUM_FORMAT: &str = "refit.medium/1";
/// The list's name.
pub const MEDIUM_FILE: &str = "medium.json";
/// A hundred thousand files are listed in some twenty megabytes.
const LIST_BYTES_MAX: u64 = 64 << 20;
const BLOCK_BYTES: usize = 256 << 10;

/// What is on a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Medium {
    /// Always [`MEDIUM_FORMAT`].
    pub format: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when its metadata are believed.
    pub expires_at: Timestamp,
    /// Versions of its metadata.
    pub versions: BTreeMap<String, u64>,
    /// The packs whose files are on it.
    pub packs: Vec<MediumPack>,
    /// Every file but the list itself, by name.
    pub files: Vec<MediumFile>,
}

/// A pack on a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumPack {
    /// The product.
    pub product: ProductName,
    /// Builds that it upgrades.
    pub from: BTreeSet<BuildId>,
    /// The build that it leads to.
    pub to: BuildId,
    /// SHA-256 of its record.
    pub record: Digest,
}

/// A file on a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumFile {
    /// Its path below the medium's folder, with `/`.
    pub name: String,
    /// Bytes.
    pub size: ByteSize,
    /// SHA-256.
    pub sha256: Digest,
}

/// The folder of targets in which a pack's own files are.
fn pack_folder(record: &str) -> &str {
    record.rsplit_once('/').map_or(record, |(folder, _)| folder)
}

/// The pack's folder that `name` lies in, if it lies in one.
fn owner<'a>(name: &'a str, folders: &BTreeSet<String>) -> Option<&'a str> {
    let mut place = name;
    while let Some((folder, _)) = place.rsplit_once('/') {
        if folders.contains(folder) {
            return Some(folder);
        }
        place = folder;
    }
    None
}

/// All regular files below `dir`, with `/`; links and other things are told apart.
fn walk(dir: &Path) -> io::Result<(BTreeSet<String>, Vec<String>)> {
    let (mut files, mut odd) = (BTreeSet::new(), Vec::new());
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                odd.push(entry.path().display().to_string());
                continue;
            };
            // What operating systems leave on every stick.
            let clutter = name.starts_with('.')
                || name == "System Volume Information"
                || name == "lost+found";
            if folder.is_empty() && clutter {
                continue;
            }
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(name);
            } else if kind.is_file() {
                files.insert(name);
            } else {
                odd.push(name);
            }
        }
    }
    Ok((files, odd))
}

/// Size and SHA-256 of a file.
fn measure(path: &Path) -> io::Result<(u64, Digest)> {
    use sha2::Digest as _;
    let mut file = File::open(path)?;
    let (mut digest, mut size, mut block) = (sha2::Sha256::new(), 0, vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok((size, Digest::from_bytes(digest.finalize().into()))),
            count => {
                digest.update(&block[..count]);
                size += count as u64;
            }
        }
    }
}

/// Refuses to begin what the volume has no room for.
fn check_space(dir: &Path, needed: u64) -> Result<(), MediumError> {
    let near = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let volume = rustix::fs::statvfs(near)
        .map_err(|error| MediumError::io("measure", near)(error.into()))?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    if free < needed {
        return Err(MediumError::NoSpace {
            path: near.to_owned(),
            needed: ByteSize(needed),
            free: ByteSize(free),
        });
    }
    Ok(())
}
