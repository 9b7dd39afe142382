//! Brings a unit back to the moment of its backup, whole, after putting aside what is there now.

use crate::{
    DatabasePlace, Quiet, UnitPlace, aside,
    error::BackupError,
    files::{clone_or_copy, make_folder, measure, set_rights, sync_folder, walk},
    manifest::{SavedDatabase, SavedNode, SavedPath},
    mariadb, postgres,
    save::{ReadBack, database_files},
    sqlite,
    take::{Sealed, seal},
    verify::{Depth, verify_told},
};
use jiff::Timestamp;
use refit_names::counted;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The folder with what was there before.
    pub abandoned: PathBuf,
    /// Files that were written, of those in the backup.
    pub files_written: usize,
    /// Databases that were put back.
    pub databases: usize,
}

impl Restored {
    /// For people: what came back, of which moment, and where that lies which was there before.
    #[must_use]
    pub fn told(&self, taken_at: Timestamp) -> String {
        format!(
            "{} and {} are those of {taken_at:.0}; what was there is kept in {}",
            counted(self.databases, "database"),
            counted(self.files_written, "changed file"),
            self.abandoned.display()
        )
    }
}

/// Restores everything, or says why not. Done twice, it reaches the same goal.
///
/// The backup is read back first, the present state is sealed beside it second; only then is anything changed.
///
/// # Errors
/// [`BackupError::Foreign`] when the backup is of another product, build or folder; any other when a part of it failed:
/// then call again, or call a person.
pub fn restore(
    sealed: &Sealed,
    place: &UnitPlace,
    now: Timestamp,
) -> Result<Restored, BackupError> {
    refuse_foreign(sealed, place)?;
    verify_told(sealed, Depth::Whole, place.limit, &place.meter)?;
    let abandoned = put_aside(sealed, place, now)?;
    let files_written = restore_files(sealed, place)?;
    for (name, saved) in &sealed.manifest.databases {
        restore_database(sealed, place, name, saved)?;
    }
    Ok(Restored { abandoned, files_written, databases: sealed.manifest.databases.len() })
}

fn refuse_foreign(sealed: &Sealed, place: &UnitPlace) -> Result<(), BackupError> {
    let manifest = &sealed.manifest;
    let names = |keys: Vec<&String>| format!("{keys:?}");
    let pairs = [
        ("product", place.product.to_string(), manifest.product.to_string()),
        ("build", place.build.to_string(), manifest.build.to_string()),
        ("folder", place.root.display().to_string(), manifest.root.clone()),
        (
            "databases",
            names(place.databases.keys().collect()),
            names(manifest.databases.keys().collect()),
        ),
    ];
    for (what, expected, found) in pairs {
        if expected != found {
            return Err(BackupError::Foreign { what, expected, found });
        }
    }
    Ok(())
}

fn put_aside(sealed: &Sealed, place: &UnitPlace, now: Timestamp) -> Result<PathBuf, BackupError> {
    let (Some(folder), Some(id)) = (sealed.folder.parent(), sealed.folder.file_name()) else {
        return Err(BackupError::NotSealed { path: sealed.folder.clone() });
    };
    let id = id.to_string_lossy();
    let mut number = 1;
    while folder.join(aside::name(&id, number)).exists() {
        number += 1;
    }
    let name = aside::name(&id, number);
    // A failed build may have left something that is no database any more: it is kept as it lies.
    seal(folder, &name, (&as_files(place), ReadBack::Later), now)?;
    Ok(folder.join(name))
}

/// SQLite databases as plain files with their logs: also a broken one can be put aside.
fn as_files(place: &UnitPlace) -> UnitPlace {
    let mut plain = place.clone();
    plain.product_is = Quiet::Stopped;
    plain.databases.retain(|_, database| !matches!(database, DatabasePlace::Sqlite(_)));
    for file in database_files(place) {
        let covered =
            place.data.iter().any(|part| file.starts_with(place.root.join(part.as_str())));
        let relative = file.strip_prefix(&place.root).ok().and_then(Path::to_str);
        let path = relative.and_then(|text| refit_names::TreePath::parse(text).ok());
        if let (false, Some(path)) = (covered, path) {
            plain.data.push(path);
        }
    }
    plain
}

fn restore_files(sealed: &Sealed, place: &UnitPlace) -> Result<usize, BackupError> {
    let saved: BTreeMap<PathBuf, &SavedPath> =
        sealed.manifest.files.iter().map(|file| (place.root.join(&file.path), file)).collect();
    let left_out = database_files(place);
    for part in &place.data {
        remove_extra(&place.root.join(part.as_str()), &saved, &left_out)?;
    }
    place.meter.expect(sealed.manifest.size().0);
    let (mut written, mut folders) = (0, BTreeSet::new());
    for (path, file) in &saved {
        written += usize::from(restore_path(sealed, path, file)?);
        if let SavedNode::File { size, .. } = &file.node {
            place.meter.add(size.0);
        }
        folders.extend(path.parent().map(Path::to_owned));
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        sync_folder(folder)?;
    }
    Ok(written)
}

fn remove_extra(
    top: &Path,
    saved: &BTreeMap<PathBuf, &SavedPath>,
    left_out: &BTreeSet<PathBuf>,
) -> Result<(), BackupError> {
    if !top.is_symlink() && !top.exists() {
        return Ok(());
    }
    for path in walk(top, left_out)?.iter().rev().filter(|path| !saved.contains_key(*path)) {
        let folder = path.is_dir() && !path.is_symlink();
        if folder && left_out.iter().any(|file| file.starts_with(path) && file.exists()) {
            // It holds a database file, which is restored on its own.
            continue;
        }
        let gone = if folder { fs::remove_dir(path) } else { fs::remove_file(path) };
        gone.map_err(BackupError::io("remove", path))?;
    }
    Ok(())
}

/// Whether something had to be written.
fn restore_path(sealed: &Sealed, path: &Path, saved: &SavedPath) -> Result<bool, BackupError> {
    let written = match &saved.node {
        SavedNode::Folder {} => {
            if path.is_symlink() || path.is_file() {
                fs::remove_file(path).map_err(BackupError::io("remove", path))?;
            }
            make_folder(path)?;
            false
        }
        SavedNode::Link { target } => {
            if fs::read_link(path).is_ok_and(|found| found == Path::new(target)) {
                return Ok(false);
            }
            clear(path)?;
            std::os::unix::fs::symlink(target, path).map_err(BackupError::io("link", path))?;
            true
        }
        SavedNode::File { digest, .. } => {
            let is_file = fs::symlink_metadata(path).is_ok_and(|seen| seen.is_file());
            if is_file && measure(path)?.1 == *digest {
                set_rights(path, saved)?;
                return Ok(false);
            }
            let fresh = sqlite::beside(path, ".refit-restore");
            clear(&fresh)?;
            let copy = sealed.folder.join("data").join(&saved.path);
            clone_or_copy(&copy, &fresh)?;
            set_rights(&fresh, saved)?;
            keep_time(&copy, &fresh)?;
            if !is_file {
                clear(path)?;
            }
            fs::rename(&fresh, path).map_err(BackupError::io("put back", path))?;
            return Ok(true);
        }
    };
    set_rights(path, saved)?;
    Ok(written)
}

/// The content's time is part of a file: make and caches go by it.
fn keep_time(copy: &Path, fresh: &Path) -> Result<(), BackupError> {
    let modified = fs::metadata(copy).and_then(|seen| seen.modified());
    let modified = modified.map_err(BackupError::io("look at", copy))?;
    let file = fs::File::open(fresh).map_err(BackupError::io("open", fresh))?;
    file.set_modified(modified).map_err(BackupError::io("set time of", fresh))
}

fn clear(path: &Path) -> Result<(), BackupError> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(seen) if seen.is_dir() => {
            fs::remove_dir_all(path).map_err(BackupError::io("remove", path))
        }
        Ok(_) => fs::remove_file(path).map_err(BackupError::io("remove", path)),
    }
}

fn restore_database(
    sealed: &Sealed,
    place: &UnitPlace,
    name: &str,
    saved: &SavedDatabase,
) -> Result<(), BackupError> {
    let folder = sealed.folder.join("databases");
    match (saved, place.databases.get(name)) {
        (SavedDatabase::Sqlite { file, .. }, Some(DatabasePlace::Sqlite(path))) => {
            let live = place.root.join(path.as_str());
            sqlite::put_back(&folder.join(format!("{name}.sqlite")), &live, file)
        }
        (SavedDatabase::Absent { .. }, Some(DatabasePlace::Sqlite(path))) => {
            sqlite::remove(&place.root.join(path.as_str()))
        }
        (SavedDatabase::Mariadb { .. }, Some(DatabasePlace::Mariadb(url))) => {
            mariadb::put_back(name, url, &folder.join(format!("{name}.sql")), place)
        }
        (SavedDatabase::Postgres { .. }, Some(DatabasePlace::Postgres(url))) => {
            // The script must not lie in the sealed folder.
            let scratch = sqlite::beside(&sealed.folder, ".scratch");
            make_folder(&scratch)?;
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&scratch, private)
                .map_err(BackupError::io("set rights of", &scratch))?;
            postgres::put_back(name, url, &folder.join(format!("{name}.dump")), &scratch, place)?;
            fs::remove_dir_all(&scratch).map_err(BackupError::io("remove", &scratch))
        }
        (_, found) => Err(BackupError::Foreign {
            what: "kind of database",
            expected: format!("{found:?}").split('(').next().unwrap_or_default().to_owned(),
            found: name.to_owned(),
        }),
    }
}
