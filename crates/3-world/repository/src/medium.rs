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
pub mod listed;

pub use error::MediumError;
pub use export::{Selection, export};
pub use import::{ImportOptions, ImportReport, import, verify};

use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The value of `format` in a list that this code understands.
pub const MEDIUM_FORMAT: &str = "refit.medium/1";
/// The list's name.
pub const MEDIUM_FILE: &str = "medium.json";
/// A hundred thousand files are listed in some twenty megabytes.
const LIST_BYTES_MAX: u64 = 64 << 20;

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
