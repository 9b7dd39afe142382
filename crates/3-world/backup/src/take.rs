//! Takes, seals, reads back and forgets backups.

use crate::{
    DatabasePlace, UnitPlace,
    error::BackupError,
    files::{self, clone_or_copy, link_target, make_folder, measure, sync_folder, walk},
    manifest::{MANIFEST_FILE, MANIFEST_FORMAT, Manifest, SavedDatabase, SavedNode, SavedPath},
    postgres, sqlite,
};
use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

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
    let product = store.join(place.product.as_str());
    seal(&product, id, place, taken_at)?;
    Sealed::open(store, &place.product, id)
}

/// Saves into `FOLDER/ID.partial`, makes it durable, renames it.
pub(crate) fn seal(
    folder: &Path,
    id: &str,
    place: &UnitPlace,
    taken_at: Timestamp,
) -> Result<(), BackupError> {
    make_folder(folder)?;
    let (sealed, partial) = (folder.join(id), folder.join(format!("{id}.partial")));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(BackupError::io("remove", &partial))?;
    }
    if sealed.exists() {
        let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(BackupError::io("create", &sealed)(exists));
    }
    for part in ["data", "databases"] {
        make_folder(&partial.join(part))?;
    }
    // Copies of secrets are for the agent's eyes only.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&partial, private).map_err(BackupError::io("set rights of", &partial))?;
    let (files, absent) = save_files(place, &partial)?;
    let databases = (place.databases.iter())
        .map(|(name, database)| {
            let copy = partial.join("databases");
            let saved = match database {
                DatabasePlace::Sqlite(path) => {
                    let live = place.root.join(path.as_str());
                    let copy = copy.join(format!("{name}.sqlite"));
                    sqlite::save(&place.root, &live, &copy, place.product_is)?
                }
                DatabasePlace::Postgres(url) => {
                    postgres::save(name, url, &copy.join(format!("{name}.dump")), place)?
                }
            };
            Ok((name.clone(), saved))
        })
        .collect::<Result<_, BackupError>>()?;
    let manifest = Manifest {
        format: MANIFEST_FORMAT.to_owned(),
        product: place.product.clone(),
        build: place.build.clone(),
        release: place.release,
        taken_at,
        root: place.root.display().to_string(),
        absent,
        files,
        databases,
    };
    write_manifest(&partial, &manifest)?;
    sync_tree(&partial)?;
    fs::rename(&partial, &sealed).map_err(BackupError::io("seal", &partial))?;
    sync_folder(folder)
}

fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = folder.join(MANIFEST_FILE);
    let text = serde_json::to_vec_pretty(manifest)
        .map_err(|source| BackupError::Manifest { path: path.clone(), source })?;
    let mut file = File::create_new(&path).map_err(BackupError::io("create", &path))?;
    file.write_all(&text).map_err(BackupError::io("write", &path))?;
    file.sync_all().map_err(BackupError::io("write to disk", &path))
}

fn sync_tree(top: &Path) -> Result<(), BackupError> {
    for path in
        walk(top, &BTreeSet::new())?.iter().rev().filter(|path| path.is_dir() && !path.is_symlink())
    {
        sync_folder(path)?;
    }
    Ok(())
}

/// Files that belong to databases are saved as databases, wherever they lie.
pub(crate) fn database_files(place: &UnitPlace) -> BTreeSet<PathBuf> {
    let live = place.databases.values().filter_map(|database| match database {
        DatabasePlace::Sqlite(path) => Some(place.root.join(path.as_str())),
        DatabasePlace::Postgres(_) => None,
    });
    live.flat_map(|live| {
        let companions = sqlite::COMPANIONS.map(|suffix| sqlite::beside(&live, suffix));
        std::iter::once(live).chain(companions)
    })
    .collect()
}

fn save_files(
    place: &UnitPlace,
    folder: &Path,
) -> Result<(Vec<SavedPath>, Vec<String>), BackupError> {
    let (mut saved, mut absent) = (vec![], vec![]);
    let left_out = database_files(place);
    for part in &place.data {
        let top = place.root.join(part.as_str());
        if !top.is_symlink() && !top.exists() {
            absent.push(part.to_string());
            continue;
        }
        for path in walk(&top, &left_out)? {
            let seen = fs::symlink_metadata(&path).map_err(BackupError::io("look at", &path))?;
            let relative = path.strip_prefix(&place.root).unwrap_or(&path);
            let copy = folder.join("data").join(relative);
            let node = if seen.is_dir() {
                make_folder(&copy)?;
                SavedNode::Folder {}
            } else if seen.is_symlink() {
                // The manifest holds all of a link.
                SavedNode::Link { target: link_target(&path)? }
            } else {
                if let Some(parent) = copy.parent() {
                    make_folder(parent)?;
                }
                let (size, digest) = clone_or_copy(&path, &copy)?;
                SavedNode::File { size, digest }
            };
            saved.push(files::describe(&place.root, &path, &seen, node)?);
        }
    }
    Ok((saved, absent))
}

/// Reads every byte of a backup back and compares it with the manifest; databases are opened.
///
/// # Errors
/// [`BackupError::Damaged`] at the first byte that is not what was saved.
pub fn verify(sealed: &Sealed, limit: Duration) -> Result<ByteSize, BackupError> {
    let mut read = 0;
    let mut same = |path: &Path, node: &SavedNode| {
        let SavedNode::File { size, digest } = node else { return Ok(()) };
        let (found_size, found) = measure(path)?;
        read += found_size.0;
        if found_size != *size || found != *digest {
            return Err(BackupError::digest(path, *digest, found));
        }
        Ok(())
    };
    for saved in &sealed.manifest.files {
        same(&sealed.folder.join("data").join(&saved.path), &saved.node)?;
    }
    for (name, database) in &sealed.manifest.databases {
        let folder = sealed.folder.join("databases");
        match database {
            SavedDatabase::Absent { .. } => {}
            SavedDatabase::Sqlite { file, .. } => {
                let copy = folder.join(format!("{name}.sqlite"));
                same(&copy, &file.node)?;
                sqlite::check(&copy)?;
            }
            SavedDatabase::Postgres { size, digest } => {
                let copy = folder.join(format!("{name}.dump"));
                same(&copy, &SavedNode::File { size: *size, digest: *digest })?;
                postgres::check(name, &copy, limit)?;
            }
        }
    }
    Ok(ByteSize(read))
}

/// Forgets all but the newest `keep` sealed backups of a product, and never those in `needed`.
/// What restores put aside stays: only people throw that away.
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
        if name.contains(".abandoned-") || name.ends_with(".partial") {
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
