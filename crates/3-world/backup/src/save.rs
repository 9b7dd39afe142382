//! Saves a unit's files and databases into a folder, and makes it durable.

use crate::{
    DatabasePlace, Quiet, UnitPlace,
    error::BackupError,
    files::{
        self, Found, copy_for_now_told, link_target, make_folder, make_folder_for_now, sync_folder,
        sync_volume, walk, walk_while,
    },
    manifest::{Identity, MANIFEST_FORMAT, Manifest, SavedDatabase, SavedNode, SavedPath},
    mariadb,
    meter::Meter,
    postgres,
    reuse::{Earlier, file_clock},
    share::each,
    sqlite,
    take::Sealed,
    verify::{open, same},
};
use jiff::Timestamp;
use refit_names::Digest;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, Metadata},
    io::Write,
    path::{Path, PathBuf},
};

/// What is saved, without which files.
pub(crate) struct Work<'a> {
    pub(crate) place: &'a UnitPlace,
    pub(crate) left_out: BTreeSet<PathBuf>,
    pub(crate) read_back: ReadBack,
}

/// When what was written is read again and compared. Dumps always are before they are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// Before it is sealed, each file behind the one that is being saved.
    Now,
    /// By whoever calls [`crate::verify`].
    Later,
}

impl Work<'_> {
    /// Saves into `FOLDER/ID.partial`, makes it durable, renames it.
    pub(crate) fn seal(
        &self,
        folder: &Path,
        id: &str,
        manifest_file: &str,
        taken_at: Timestamp,
    ) -> Result<Sealed, BackupError> {
        let place = self.place;
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
            make_folder_for_now(&partial.join(part))?;
        }
        // Copies of secrets are for the agent's eyes only.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&partial, private)
            .map_err(BackupError::io("set rights of", &partial))?;
        // Databases have servers of their own, which work while files are read.
        let (files, databases) = std::thread::scope(|scope| {
            let databases = scope.spawn(|| self.save_databases(&partial.join("databases")));
            (self.save_files(&partial, folder), databases.join())
        });
        let (files, absent) = files?;
        let databases = databases.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let manifest = Manifest {
            format: MANIFEST_FORMAT.to_owned(),
            product: place.product.clone(),
            build: place.build.clone(),
            release: place.release,
            taken_at,
            stood_still: place.product_is == Quiet::Stopped,
            root: place.root.display().to_string(),
            absent,
            files,
            databases,
        };
        let digest = write_manifest(&partial.join(manifest_file), &manifest)?;
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| self.open_databases(&partial, &manifest));
            make_durable(&partial, &manifest)?;
            opened.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        fs::rename(&partial, &sealed).map_err(BackupError::io("seal", &partial))?;
        sync_folder(folder)?;
        Ok(Sealed { folder: sealed, manifest, digest })
    }

    fn save_files(
        &self,
        partial: &Path,
        folder: &Path,
    ) -> Result<(Vec<SavedPath>, Vec<String>), BackupError> {
        let begun = file_clock(partial)?;
        let (earlier, seen) = std::thread::scope(|scope| {
            let earlier = scope.spawn(|| self.earlier(folder));
            let seen = self.survey();
            (earlier.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), seen)
        });
        let (found, absent) = seen?;
        self.make_folders(partial, &found)?;
        let saved = each(&found, |(path, seen)| {
            match self.save_path(partial, (path, seen), (&earlier, begun)) {
                // A product that still runs throws files away.
                Err(BackupError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && self.may_change() =>
                {
                    Ok(None)
                }
                saved => saved.map(Some),
            }
        })?;
        if found.len() > SYNC_ONE_BY_ONE_MAX && !self.place.databases.is_empty() {
            // Less is left to do when the database's programs are at their end.
            sync_volume(partial)?;
        }
        Ok((saved.into_iter().flatten().collect(), absent))
    }

    fn earlier(&self, folder: &Path) -> Earlier {
        let earlier = Earlier::newest(folder);
        // As large as last time, or nobody knows.
        let dumps = self.place.databases.keys().filter_map(|name| earlier.dumps.get(name));
        self.place.meter.expect(dumps.sum());
        earlier
    }

    /// What lies in the unit's folders, and which of them do not exist.
    fn survey(&self) -> Result<(Vec<Found>, Vec<String>), BackupError> {
        let place = self.place;
        let (mut found, mut absent) = (vec![], vec![]);
        for part in &place.data {
            let top = place.root.join(part.as_str());
            if !top.is_symlink() && !top.exists() {
                absent.push(part.to_string());
                continue;
            }
            let (below, bytes) = walk_while(place.product_is, &top, &self.left_out)?;
            place.meter.expect(bytes);
            found.extend(below);
        }
        Ok((found, absent))
    }

    /// All of them before the files, which are saved by many hands.
    fn make_folders(&self, folder: &Path, found: &[Found]) -> Result<(), BackupError> {
        let top = |path: &PathBuf| {
            self.place.data.iter().any(|part| self.place.root.join(part.as_str()) == *path)
        };
        for (path, seen) in found {
            let copy = self.copy_of(folder, path);
            if seen.is_dir() {
                make_folder_for_now(&copy)?;
            } else if let Some(parent) = copy.parent().filter(|_| top(path)) {
                // A part of the unit may be a single file.
                make_folder_for_now(parent)?;
            }
        }
        Ok(())
    }

    fn copy_of(&self, folder: &Path, path: &Path) -> PathBuf {
        folder.join("data").join(path.strip_prefix(&self.place.root).unwrap_or(path))
    }

    fn save_path(
        &self,
        folder: &Path,
        (path, seen): (&Path, &Metadata),
        earlier: (&Earlier, i64),
    ) -> Result<SavedPath, BackupError> {
        let root = &self.place.root;
        if seen.is_dir() {
            return files::describe(root, path, seen, SavedNode::Folder {});
        }
        if seen.is_symlink() {
            // The manifest holds all of a link.
            let node = SavedNode::Link { target: link_target(path)? };
            return files::describe(root, path, seen, node);
        }
        self.save_file(path, seen, &self.copy_of(folder, path), earlier)
    }

    fn may_change(&self) -> bool {
        self.place.product_is == Quiet::Running
    }

    fn save_file(
        &self,
        live: &Path,
        seen: &Metadata,
        copy: &Path,
        (earlier, begun): (&Earlier, i64),
    ) -> Result<SavedPath, BackupError> {
        let identity = Identity::of(seen, begun);
        let describe = |node| files::describe(&self.place.root, live, seen, node);
        let mut saved = describe(SavedNode::Folder {})?;
        if let Some((there, size, digest)) = earlier.find(&saved.path, identity.as_ref())
            // Cut short, more names than a file may have, or gone: then it is copied.
            && fs::symlink_metadata(&there).is_ok_and(|kept| kept.is_file() && kept.len() == size.0)
            && fs::hard_link(&there, copy).is_ok()
        {
            saved.node = SavedNode::File { size, digest };
            // Whatever is written to the live one from now on, its copy is what it was when it looked like this.
            saved.seen = identity;
            saved.reused = true;
            self.place.meter.add(size.0);
            return Ok(saved);
        }
        let (size, digest) = copy_for_now_told(live, copy, &self.place.meter)?;
        saved.node = SavedNode::File { size, digest };
        files::look_alike(copy, &saved, seen)?;
        if self.read_back == ReadBack::Now {
            same(copy, &saved.node, &Meter::default())?;
        }
        let after = fs::symlink_metadata(live).map_err(BackupError::io("look at", live))?;
        // Written to meanwhile: next time it is read again.
        saved.seen =
            identity.filter(|identity| Identity::of(&after, begun).as_ref() == Some(identity));
        Ok(saved)
    }

    fn save_databases(
        &self,
        folder: &Path,
    ) -> Result<BTreeMap<String, SavedDatabase>, BackupError> {
        let place = self.place;
        let save = |(name, database): (&String, &DatabasePlace)| {
            let saved = match database {
                DatabasePlace::Sqlite(path) => {
                    let live = place.root.join(path.as_str());
                    let copy = folder.join(format!("{name}.sqlite"));
                    sqlite::save(&place.root, &live, &copy, place.product_is)?
                }
                DatabasePlace::Mariadb(url) => {
                    mariadb::save(name, url, &folder.join(format!("{name}.sql")), place)?
                }
                DatabasePlace::Postgres(url) => {
                    postgres::save(name, url, &folder.join(format!("{name}.dump")), place)?
                }
            };
            Ok((name.clone(), saved))
        };
        place.databases.iter().map(save).collect()
    }

    fn open_databases(&self, partial: &Path, manifest: &Manifest) -> Result<(), BackupError> {
        if self.read_back == ReadBack::Later {
            return Ok(());
        }
        let folder = partial.join("databases");
        let mut all = manifest.databases.iter();
        all.try_for_each(|(name, saved)| open(name, saved, &folder, self.place.limit))
    }
}

/// The caller makes it durable.
fn write_manifest(path: &Path, manifest: &Manifest) -> Result<Digest, BackupError> {
    let text = serde_json::to_vec(manifest)
        .map_err(|source| BackupError::Manifest { path: path.to_owned(), source })?;
    let mut file = File::create_new(path).map_err(BackupError::io("create", path))?;
    file.write_all(&text).map_err(BackupError::io("write", path))?;
    Ok(Digest::of(&text))
}

/// Above this many, one call for the whole volume is quicker, though it also waits for what others wrote.
const SYNC_ONE_BY_ONE_MAX: usize = 64;

pub(crate) fn make_durable(top: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    if manifest.files.len() > SYNC_ONE_BY_ONE_MAX {
        return sync_volume(top);
    }
    for path in walk(top, &BTreeSet::new())?.iter().rev().filter(|path| !path.is_symlink()) {
        sync_folder(path)?;
    }
    Ok(())
}

/// Files that belong to databases are saved as databases, wherever they lie.
pub(crate) fn database_files(place: &UnitPlace) -> BTreeSet<PathBuf> {
    let live = place.databases.values().filter_map(|database| match database {
        DatabasePlace::Sqlite(path) => Some(place.root.join(path.as_str())),
        DatabasePlace::Postgres(_) | DatabasePlace::Mariadb(_) => None,
    });
    live.flat_map(|live| {
        let companions = sqlite::COMPANIONS.map(|suffix| sqlite::beside(&live, suffix));
        std::iter::once(live).chain(companions)
    })
    .collect()
}
