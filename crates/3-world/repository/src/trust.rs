//! What is trusted, on disk: the pinned root, the newest root, and the newest metadata seen (so that older metadata is refused).
//!
//! ```text
//! DIR/pinned.root.json   what a person chose to trust; never changed
//! DIR/root.json          the newest root that a chain of signatures leads to
//! DIR/timestamp.json  snapshot.json  targets.json
//! DIR/delegated/ROLE.json
//! ```
//! Files hold the exact bytes that came, and are replaced by an atomic rename as soon as they are verified. A power cut in the middle
//! of a refresh leaves each of them whole.

use crate::RepositoryError;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tough::schema::{Root, Signed};

const PINNED: &str = "pinned.root.json";
const NEWEST: &str = "root.json";
/// Root files have a few keys; a mebibyte is a thousand of them.
const ROOT_BYTES_MAX: usize = 1 << 20;

/// A folder with the pinned root and all that protects against being shown older metadata.
#[derive(Debug, Clone)]
pub struct TrustStore {
    dir: PathBuf,
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_atomically(&pinned, root_json)?
            }
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
    pub(crate) fn newest_root(&self) -> Result<Vec<u8>, RepositoryError> {
        match fs::read(self.dir.join(NEWEST)) {
            Ok(root) if check_root(&root).is_ok() => Ok(root),
            _ => self.pinned(),
        }
    }

    /// One refresh at a time; blocks while another process has it. The lock goes with the returned file.
    pub(crate) fn lock(&self) -> Result<File, RepositoryError> {
        let lock = File::open(&self.dir).map_err(RepositoryError::io("open", &self.dir))?;
        lock.lock().map_err(RepositoryError::io("lock", &self.dir))?;
        Ok(lock)
    }

    /// What was kept under this name.
    pub(crate) fn get(&self, kept: &Kept) -> Option<Vec<u8>> {
        fs::read(self.place(kept)).ok()
    }

    /// Keeps verified metadata.
    pub(crate) fn put(&self, kept: &Kept, content: &[u8]) -> Result<(), RepositoryError> {
        let path = self.place(kept);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(RepositoryError::io("create", folder))?;
        }
        write_atomically(&path, content)
    }

    /// Delegated roles have a folder of their own, because a role may be called `root` or `pinned.root`.
    fn place(&self, kept: &Kept) -> PathBuf {
        match kept {
            Kept::Root => self.dir.join(NEWEST),
            Kept::Timestamp => self.dir.join("timestamp.json"),
            Kept::Snapshot => self.dir.join("snapshot.json"),
            Kept::Targets => self.dir.join("targets.json"),
            Kept::Delegated(role) => {
                self.dir.join("delegated").join(format!("{}.json", quoted(role)))
            }
        }
    }
}

/// Metadata that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    Root,
    Timestamp,
    Snapshot,
    Targets,
    Delegated(String),
}

/// A role's name as part of an address or a file name: no separator stays.
pub(crate) fn quoted(role: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~');
    role.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn check_root(bytes: &[u8]) -> Result<(), RepositoryError> {
    if bytes.len() > ROOT_BYTES_MAX {
        return Err(RepositoryError::TooLarge {
            what: "root file".to_owned(),
            limit: refit_names::ByteSize(ROOT_BYTES_MAX as u64),
        });
    }
    let root: Signed<Root> = serde_json::from_slice(bytes)
        .map_err(|error| RepositoryError::UntrustableRoot { source: Box::new(error) })?;
    root.signed
        .verify_role(&root)
        .map_err(|error| RepositoryError::UntrustableRoot { source: Box::new(error) })
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
