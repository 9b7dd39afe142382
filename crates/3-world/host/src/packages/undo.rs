//! The undo set of packages: the very files that were there, and the knowledge of what was not.

mod saved;

use crate::{
    context::Context,
    error::StepError,
    in_place::{seen, write_durable},
};
use refit_backup::{clone_or_copy, sync_volume};
use refit_names::BuildId;
use saved::{Kept, Place, Saved, Saving, Stamp, What, dress, set_time};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink},
    path::{Path, PathBuf},
};

/// Folders in which packages' scripts write: put back as they were, with everything in them.
const WHOLE: [&str; 9] = [
    "/etc",
    "/var/lib/dpkg",
    "/var/lib/systemd/deb-systemd-helper-enabled",
    "/var/lib/systemd/deb-systemd-helper-masked",
    "/var/lib/systemd/deb-systemd-user-helper-enabled",
    "/var/lib/ucf",
    "/var/lib/pam",
    "/var/cache/debconf",
    "/var/cache/ldconfig",
];
/// Single files for the same reason. The last one is ours while services are held.
const FILES: [&str; 3] = ["/var/lib/apt/extended_states", "/usr/share/info/dir", POLICY];
/// Asked by packages' scripts before they start a service.
pub(crate) const POLICY: &str = "/usr/sbin/policy-rc.d";
/// What dpkg makes beside a file while it works, or leaves there.
const BESIDE: [&str; 4] = [".dpkg-new", ".dpkg-tmp", ".dpkg-dist", ".dpkg-old"];
/// Where links of the alternatives system are written down.
const ALTERNATIVES: &str = "/var/lib/dpkg/alternatives";

/// Where the undo set of one build lies.
pub(crate) struct UndoSet {
    folder: PathBuf,
    of: String,
}

impl UndoSet {
    /// That of the packages which lead to `build`.
    pub(crate) fn of(context: &Context<'_>, build: &BuildId) -> Self {
        let product = context.state.join("packages").join(context.product.name.as_str());
        Self { folder: product.join(build.as_str()), of: context.key_of_leg() }
    }

    fn copies(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn read(&self, name: &str) -> Result<Option<Kept>, StepError> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StepError::io("read", &path)(error)),
        }
    }

    fn sealed(&self) -> Result<Option<Kept>, StepError> {
        Ok(self.read("undo.json")?.filter(|kept| kept.of == self.of))
    }

    /// Whether it was sealed by this very leg: from then on dpkg may have begun.
    pub(crate) fn is_sealed(&self) -> Result<bool, StepError> {
        Ok(self.sealed()?.is_some())
    }

    /// Saves what is not saved yet, while everything runs.
    pub(crate) fn save(
        &self,
        also: &[PathBuf],
        files: &BTreeSet<PathBuf>,
    ) -> Result<(), StepError> {
        self.keep("ahead.json", also, files)
    }

    /// Saves what changed since, and seals: durable when it returns.
    pub(crate) fn seal(
        &self,
        also: &[PathBuf],
        files: &BTreeSet<PathBuf>,
    ) -> Result<(), StepError> {
        self.keep("undo.json", also, files)
    }

    fn keep(
        &self,
        name: &str,
        also: &[PathBuf],
        files: &BTreeSet<PathBuf>,
    ) -> Result<(), StepError> {
        let copies = self.copies();
        fs::create_dir_all(&copies).map_err(StepError::io("make folder", &copies))?;
        fs::set_permissions(&self.folder, Permissions::from_mode(0o700))
            .map_err(StepError::io("set rights of", &self.folder))?;
        let before = self.read("ahead.json").unwrap_or_default().unwrap_or_default();
        let mut whole: Vec<PathBuf> = WHOLE.iter().map(PathBuf::from).collect();
        whole.extend_from_slice(also);
        let mut all: BTreeSet<PathBuf> = files.clone();
        all.extend(FILES.iter().map(PathBuf::from));
        all.extend(alternative_links());
        for top in &whole {
            all.extend(walk(top)?);
        }
        let mut saving = Saving::new(&copies, &before);
        for path in &all {
            saving.one(path)?;
        }
        let kept = Kept {
            of: self.of.clone(),
            whole: whole.into_iter().map(Place).collect(),
            files: files.iter().cloned().map(Place).collect(),
            saved: saving.saved,
        };
        sync_volume(&self.folder)?;
        write_durable(&self.folder.join(name), &serde_json::to_vec(&kept)?)
    }

    /// Puts everything back, and removes what was not there. Done twice, it reaches the same goal. Says how many files it wrote and
    /// how many it removed; none when nothing was sealed, for then nothing was changed.
    pub(crate) fn put_back(&self) -> Result<Option<(usize, usize)>, StepError> {
        let Some(kept) = self.sealed()? else { return Ok(None) };
        let saved: BTreeMap<&Path, &Saved> =
            kept.saved.iter().map(|saved| (saved.path.0.as_path(), saved)).collect();
        let mut removed = 0;
        for path in now(&kept)?.iter().rev().filter(|path| !saved.contains_key(path.as_path())) {
            removed += usize::from(remove(path)?);
        }
        let mut written = 0;
        for saved in &kept.saved {
            written += usize::from(self.restore(saved)?);
        }
        sync_system()?;
        Ok(Some((written, removed)))
    }

    /// Puts one path back.
    pub(crate) fn put_back_only(&self, path: &Path) -> Result<(), StepError> {
        let Some(kept) = self.sealed()? else { return Ok(()) };
        match kept.saved.iter().find(|saved| saved.path.0 == path) {
            Some(saved) => self.restore(saved).map(drop),
            None => remove(path).map(drop),
        }
    }

    /// Whether something had to be written.
    fn restore(&self, saved: &Saved) -> Result<bool, StepError> {
        let path = saved.path.0.as_path();
        let there = seen(path)?;
        if there.as_ref().is_some_and(|there| there.is_dir() != matches!(saved.what, What::Folder))
        {
            remove(path)?;
        }
        let fresh = match &saved.what {
            What::Folder => {
                fs::create_dir_all(path).map_err(StepError::io("make folder", path))?;
                dress(path, saved)?;
                return Ok(false);
            }
            What::Link(Place(target)) => {
                if fs::read_link(path).is_ok_and(|found| found == *target) {
                    return Ok(false);
                }
                let fresh = beside(path)?;
                symlink(target, &fresh).map_err(StepError::io("make link", &fresh))?;
                lchown(&fresh, Some(saved.uid), Some(saved.gid))
                    .map_err(StepError::io("give owner to", &fresh))?;
                fresh
            }
            What::Twin(Place(first)) => {
                let id = |seen: &Metadata| (seen.dev(), seen.ino());
                if seen(first)?.as_ref().map(id) == there.as_ref().map(id) {
                    return Ok(false);
                }
                let fresh = beside(path)?;
                fs::hard_link(first, &fresh).map_err(StepError::io("link", first))?;
                fresh
            }
            What::File { copy, was } => {
                if there.is_some_and(|there| Stamp::of(&there) == *was) {
                    return Ok(false);
                }
                let fresh = beside(path)?;
                clone_or_copy(&self.copies().join(copy.to_string()), &fresh)?;
                dress(&fresh, saved)?;
                set_time(&fresh, was.modified)?;
                fresh
            }
        };
        fs::rename(&fresh, path).map_err(StepError::io("put back", path))?;
        Ok(true)
    }
}

/// Every path that may have come since.
fn now(kept: &Kept) -> Result<BTreeSet<PathBuf>, StepError> {
    let mut now: BTreeSet<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    now.extend(alternative_links());
    for Place(top) in &kept.whole {
        now.extend(walk(top)?);
    }
    for Place(path) in &kept.files {
        now.insert(path.clone());
        now.extend(BESIDE.iter().map(|end| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        }));
    }
    Ok(now)
}

/// Makes durable what packages change, wherever it is mounted.
pub(crate) fn sync_system() -> Result<(), StepError> {
    for top in ["/", "/boot", "/etc", "/usr", "/var"].iter().map(Path::new) {
        if top.is_dir() {
            sync_volume(top)?;
        }
    }
    Ok(())
}

/// Where something is mounted. Devices do not tell: a layered file system shows those of its layers.
fn mounts() -> BTreeSet<PathBuf> {
    let own = procfs::process::Process::myself().and_then(|process| process.mountinfo());
    own.into_iter().flatten().map(|mount| mount.mount_point).collect()
}

/// Everything at and below `top` but what is mounted there; nothing when there is no such folder.
fn walk(top: &Path) -> Result<BTreeSet<PathBuf>, StepError> {
    let (mut found, mounts) = (BTreeSet::new(), mounts());
    let mut open = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        // A container's own files in /etc are mounted there and belong to somebody else.
        if path != top && mounts.contains(&path) {
            continue;
        }
        let Some(there) = seen(&path)? else { continue };
        if there.is_dir() {
            let entries = fs::read_dir(&path).map_err(StepError::io("list", &path))?;
            open.extend(entries.flatten().map(|entry| entry.path()));
        }
        found.insert(path);
    }
    Ok(found)
}

/// Links that the alternatives system keeps outside of its own folders.
fn alternative_links() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(ALTERNATIVES).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        // Mode, the link, then name and link of each that follows it, up to an empty line.
        let mut lines = text.lines().skip(1);
        found.extend(lines.next().map(PathBuf::from));
        while let Some(name) = lines.next()
            && !name.is_empty()
        {
            found.extend(lines.next().map(PathBuf::from));
        }
    }
    found.retain(|path| path.is_absolute());
    // As the file system has it: `/bin` and `/usr/bin` may be one.
    let resolved = |path: PathBuf| {
        let folder = path.parent().and_then(|parent| parent.canonicalize().ok())?;
        Some(folder.join(path.file_name()?))
    };
    found.into_iter().filter_map(resolved).collect()
}

/// Whether it was there. A folder that is not empty stays: what is in it is somebody else's.
fn remove(path: &Path) -> Result<bool, StepError> {
    let removed = match seen(path)? {
        None => return Ok(false),
        Some(there) if there.is_dir() => match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(false),
            removed => removed,
        },
        Some(_) => fs::remove_file(path),
    };
    removed.map(|()| true).map_err(StepError::io("remove", path))
}

/// A free name in the same folder.
fn beside(path: &Path) -> Result<PathBuf, StepError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".refit-undo");
    let fresh = path.with_file_name(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    }
    remove(&fresh)?;
    Ok(fresh)
}
