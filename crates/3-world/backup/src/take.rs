//! Takes, seals, finds and forgets backups.

use crate::{
    UnitPlace,
    aside::is_aside,
    error::BackupError,
    files::{self, sync_folder},
    manifest::{AHEAD_FILE, MANIFEST_FILE, Manifest, SavedNode, SavedPath},
    save::{ReadBack, Work, database_files, make_durable},
    verify::{Depth, read_back, verify},
};
use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Reading a dump's table of contents takes seconds.
const CHECK_LIMIT: Duration = Duration::from_secs(600);
/// At the end of the name of what was saved ahead.
const AHEAD: &str = ".ahead";

/// A sealed backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its folder.
    pub folder: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's text.
    pub digest: Digest,
}

impl Sealed {
    /// The backup `id` of `product` below `store`.
    ///
    /// # Errors
    /// [`BackupError::NotSealed`] when there is none, [`BackupError::Foreign`] when it is of another product.
    pub fn open(store: &Path, product: &ProductName, id: &str) -> Result<Self, BackupError> {
        let folder = store.join(product.as_str()).join(id);
        let (manifest, digest) = Manifest::read(&folder)?;
        if manifest.product != *product {
            let (expected, found) = (product.to_string(), manifest.product.to_string());
            return Err(BackupError::Foreign { what: "product", expected, found });
        }
        Ok(Self { folder, manifest, digest })
    }

    /// Refuses when it is not of `build`.
    ///
    /// # Errors
    /// [`BackupError::Foreign`].
    pub fn is_of(&self, build: &BuildId) -> Result<(), BackupError> {
        if self.manifest.build == *build {
            return Ok(());
        }
        let (expected, found) = (build.to_string(), self.manifest.build.to_string());
        Err(BackupError::Foreign { what: "build", expected, found })
    }
}

/// Saves the unit as `STORE/PRODUCT/ID`. What a cut-off try left is thrown away; a sealed backup of that name is an error.
///
/// # Errors
/// [`BackupError`]; nothing is sealed then.
pub fn take(
    store: &Path,
    id: &str,
    place: &UnitPlace,
    taken_at: Timestamp,
) -> Result<Sealed, BackupError> {
    seal(&store.join(place.product.as_str()), id, (place, ReadBack::Later), taken_at)
}

/// As [`take`] and [`verify`] of what is fresh, in one go: it is sealed when everything that was written for it has been read back.
///
/// # Errors
/// [`BackupError`]; nothing is sealed then.
pub fn take_verified(
    store: &Path,
    id: &str,
    place: &UnitPlace,
    taken_at: Timestamp,
) -> Result<Sealed, BackupError> {
    seal(&store.join(place.product.as_str()), id, (place, ReadBack::Now), taken_at)
}

/// Seals what something else put together as `STORE/PRODUCT/ID.partial`, when it is what the manifest says and the manifest is `digest`.
///
/// # Errors
/// [`BackupError`]; it is not sealed then.
pub fn adopt(
    store: &Path,
    product: &ProductName,
    id: &str,
    digest: Digest,
) -> Result<Sealed, BackupError> {
    let folder = store.join(product.as_str());
    let (sealed, partial) = (folder.join(id), folder.join(format!("{id}.partial")));
    let (manifest, found) = Manifest::read(&partial)?;
    if found != digest {
        return Err(BackupError::digest(&partial.join(MANIFEST_FILE), digest, found));
    }
    let candidate = Sealed { folder: partial.clone(), manifest, digest };
    verify(&candidate, Depth::Whole, CHECK_LIMIT)?;
    for saved in &candidate.manifest.files {
        if matches!(saved.node, SavedNode::File { .. }) {
            files::give_rights(&partial.join("data").join(&saved.path), saved)?;
        }
    }
    make_durable(&partial, &candidate.manifest)?;
    fs::rename(&partial, &sealed).map_err(BackupError::io("seal", &partial))?;
    sync_folder(&folder)?;
    Sealed::open(store, product, id)
}

/// Saves the files of the unit while the product may still write, so that a later [`take`] only copies what changed since.
/// Databases are not in it, and nobody can restore it.
///
/// # Errors
/// [`BackupError`]; nothing is kept then.
pub fn save_ahead(
    store: &Path,
    id: &str,
    place: &UnitPlace,
    taken_at: Timestamp,
) -> Result<Saved, BackupError> {
    let without = UnitPlace { databases: BTreeMap::new(), ..place.clone() };
    let product = store.join(place.product.as_str());
    let ahead = product.join(format!("{id}{AHEAD}"));
    if ahead.exists() {
        fs::remove_dir_all(&ahead).map_err(BackupError::io("remove", &ahead))?;
    }
    // Database files are left out by name, so the places of the databases are needed for that.
    let left_out = database_files(place);
    let work = Work { place: &without, left_out, read_back: ReadBack::Later };
    let sealed = work.seal(&product, &format!("{id}{AHEAD}"), AHEAD_FILE, taken_at)?;
    place.meter.expect(sealed.manifest.size().0);
    read_back(&ahead, &sealed.manifest, Depth::Whole, &place.meter)?;
    Ok(Saved::of(&sealed.manifest))
}

/// How much was saved, and how much of it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Bytes of all.
    pub all: ByteSize,
    /// Bytes that were copied; the rest was there already.
    pub copied: ByteSize,
}

impl Saved {
    /// Of a backup.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let size = |saved: &SavedPath| match &saved.node {
            SavedNode::File { size, .. } if saved.reused => size.0,
            _ => 0,
        };
        let all = manifest.size();
        let reused: u64 = manifest.files.iter().map(size).sum();
        Self { all, copied: ByteSize(all.0 - reused) }
    }
}

pub(crate) fn seal(
    folder: &Path,
    id: &str,
    (place, read_back): (&UnitPlace, ReadBack),
    taken_at: Timestamp,
) -> Result<Sealed, BackupError> {
    let work = Work { place, left_out: database_files(place), read_back };
    work.seal(folder, id, MANIFEST_FILE, taken_at)
}

/// All sealed backups of a product, oldest first. What is no readable backup is passed over.
#[must_use]
pub fn list(store: &Path, product: &ProductName) -> Vec<Sealed> {
    sealed_in(store, product, |name| !is_aside(name))
}

/// Those of a name that is `wanted`, oldest first.
pub(crate) fn sealed_in(
    store: &Path,
    product: &ProductName,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Sealed> {
    let entries = fs::read_dir(store.join(product.as_str())).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let sealed = names.filter(|name| wanted(name) && !name.ends_with(".partial"));
    let mut found: Vec<_> =
        sealed.filter_map(|id| Sealed::open(store, product, &id).ok()).collect();
    found.sort_by_key(|sealed| sealed.manifest.taken_at);
    found
}

/// Forgets all but the newest `keep` sealed backups of a product, and never those in `needed`.
/// What restores put aside stays: only people throw that away, with [`crate::discard`].
///
/// # Errors
/// [`BackupError::Io`] when a folder cannot be listed or removed.
pub fn prune(
    store: &Path,
    product: &ProductName,
    keep: usize,
    needed: &BTreeSet<String>,
) -> Result<Vec<String>, BackupError> {
    let folder = store.join(product.as_str());
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let mut found = vec![];
    for entry in fs::read_dir(&folder).map_err(BackupError::io("list", &folder))? {
        let entry = entry.map_err(BackupError::io("list", &folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // What is no readable backup is nobody's to throw away.
        if is_aside(&name) || name.ends_with(".partial") {
            continue;
        }
        // What was saved ahead has served when the order is over: the backup holds the same files.
        if let Some(id) = name.strip_suffix(AHEAD) {
            if !needed.iter().any(|needed| needed.starts_with(id)) {
                fs::remove_dir_all(entry.path())
                    .map_err(BackupError::io("remove", &entry.path()))?;
            }
            continue;
        }
        if let Ok((manifest, _)) = Manifest::read(&entry.path()) {
            found.push((manifest.taken_at, name));
        }
    }
    found.sort();
    let surplus = found.len().saturating_sub(keep);
    let mut gone = vec![];
    for (_, name) in found.into_iter().take(surplus).filter(|(_, name)| !needed.contains(name)) {
        let path = folder.join(&name);
        fs::remove_dir_all(&path).map_err(BackupError::io("remove", &path))?;
        gone.push(name);
    }
    sync_folder(&folder)?;
    Ok(gone)
}
