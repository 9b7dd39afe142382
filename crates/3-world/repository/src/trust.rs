//! What is trusted, on disk: the pinned root, the newest root, and the newest metadata seen (so that older metadata is refused).
//!
//! ```text
//! DIR/pinned.root.json   what a person chose to trust; never changed
//! DIR/root.json          the newest root that a chain of signatures leads to
//! DIR/timestamp.json  snapshot.json  targets.json  latest_known_time.json
//! ```
//! The library writes its files in place, so a power cut could leave half a file, and half a file counts as none. It therefore works
//! on a copy; what it leaves there is taken over file by file, each by an atomic rename.

use crate::RepositoryError;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tough::schema::{Root, Signed};

const PINNED: &str = "pinned.root.json";
const NEWEST: &str = "root.json";
/// In the order in which they are taken over: nothing may be older than what vouches for it.
const KEPT: [&str; 5] = [NEWEST, "timestamp.json", "snapshot.json", "targets.json", "latest_known_time.json"];
const WORK_PREFIX: &str = ".work-";
/// Root files have a few keys; a mebibyte is a thousand of them.
const ROOT_BYTES_MAX: usize = 1 << 20;

/// A folder with the pinned root and all that protects against being shown older metadata.
#[derive(Debug, Clone)]
pub struct TrustStore {
    dir: PathBuf,
}

/// The library's copy of the store while one refresh runs.
pub(crate) struct Work {
    pub(crate) root: Vec<u8>,
    pub(crate) dir: tempfile::TempDir,
    _lock: File,
}

impl TrustStore {
    /// Pins a root. The same root again changes nothing.
    ///
    /// # Errors
    /// [`RepositoryError::UntrustableRoot`] when it does not carry its own signatures; [`RepositoryError::OtherRoot`] when another is
    /// pinned here.
    pub fn create(dir: &Path, root_json: &[u8]) -> Result<Self, RepositoryError> {
        check_root(root_json)?;
        fs::create_dir_all(dir).map_err(RepositoryError::io("create", dir))?;
        let pinned = dir.join(PINNED);
        match fs::read(&pinned) {
            Ok(there) if there == root_json => {}
            Ok(_) => return Err(RepositoryError::OtherRoot { path: dir.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => write_atomically(&pinned, root_json)?,
            Err(error) => return Err(RepositoryError::io("read", pinned)(error)),
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Opens what [`TrustStore::create`] made.
    ///
    /// # Errors
    /// [`RepositoryError::NoTrust`] when no root is pinned here.
    pub fn open(dir: &Path) -> Result<Self, RepositoryError> {
        let store = Self { dir: dir.to_owned() };
        check_root(&store.pinned()?)?;
        Ok(store)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The pinned root's text.
    ///
    /// # Errors
    /// [`RepositoryError::NoTrust`] when there is none.
    pub fn pinned(&self) -> Result<Vec<u8>, RepositoryError> {
        let path = self.dir.join(PINNED);
        fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RepositoryError::NoTrust { path: self.dir.clone() },
            _ => RepositoryError::io("read", path)(error),
        })
    }

    /// The newest root's text: the pinned one until a refresh found a newer.
    fn newest(&self) -> Result<Vec<u8>, RepositoryError> {
        match fs::read(self.dir.join(NEWEST)) {
            Ok(root) if check_root(&root).is_ok() => Ok(root),
            _ => self.pinned(),
        }
    }

    /// Locks the store and copies it for the library. Blocks while another process refreshes.
    pub(crate) fn begin(&self) -> Result<Work, RepositoryError> {
        let lock = File::open(&self.dir).map_err(RepositoryError::io("open", &self.dir))?;
        lock.lock().map_err(RepositoryError::io("lock", &self.dir))?;
        self.remove_left_over()?;
        let dir = tempfile::Builder::new().prefix(WORK_PREFIX).tempdir_in(&self.dir).map_err(RepositoryError::io("write", &self.dir))?;
        for name in KEPT.into_iter().filter(|name| *name != NEWEST) {
            match fs::copy(self.dir.join(name), dir.path().join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RepositoryError::io("copy", self.dir.join(name))(error)),
                _ => {}
            }
        }
        Ok(Work { root: self.newest()?, dir, _lock: lock })
    }

    /// Takes over what the library left, also after a refusal: a newer root or timestamp stays trusted.
    pub(crate) fn finish(&self, work: &Work) -> Result<(), RepositoryError> {
        for name in KEPT {
            let (from, to) = (work.dir.path().join(name), self.dir.join(name));
            match fs::read(&from) {
                Ok(new) if fs::read(&to).is_ok_and(|old| old == new) => {}
                Ok(new) => write_atomically(&to, &new)?,
                // A rotation of keys makes the library forget metadata that the old keys signed.
                Err(error) if error.kind() == io::ErrorKind::NotFound && name != NEWEST => match fs::remove_file(&to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RepositoryError::io("remove", to)(error)),
                    _ => {}
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RepositoryError::io("read", from)(error)),
            }
        }
        Ok(())
    }

    /// Copies of a refresh that was killed.
    fn remove_left_over(&self) -> Result<(), RepositoryError> {
        for entry in fs::read_dir(&self.dir).map_err(RepositoryError::io("read", &self.dir))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
                fs::remove_dir_all(entry.path()).map_err(RepositoryError::io("remove", entry.path()))?;
            }
        }
        Ok(())
    }
}

fn check_root(bytes: &[u8]) -> Result<(), RepositoryError> {
    if bytes.len() > ROOT_BYTES_MAX {
        return Err(RepositoryError::TooLarge { what: "root file".to_owned(), limit: refit_names::ByteSize(ROOT_BYTES_MAX as u64) });
    }
    let root: Signed<Root> = serde_json::from_slice(bytes).map_err(|error| RepositoryError::UntrustableRoot { source: Box::new(error) })?;
    root.signed.verify_role(&root).map_err(|error| RepositoryError::UntrustableRoot { source: Box::new(error) })
}

/// Replaces a file so that a reader or a power cut sees the old or the new one.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), RepositoryError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let attempt = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    attempt().map_err(RepositoryError::io("write", path))
}
