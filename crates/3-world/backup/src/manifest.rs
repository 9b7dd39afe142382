//! What a backup says of itself.

use crate::error::BackupError;
use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

/// The value of `format` in a manifest that this code understands.
pub const MANIFEST_FORMAT: &str = "refit.backup/1";

/// The name of the manifest in its backup's folder.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";
/// The name of the manifest in a folder that was saved ahead: nobody can take that for a backup.
pub(crate) const AHEAD_FILE: &str = "ahead.json";

/// The table of contents of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_FORMAT`].
    pub format: String,
    /// Of what.
    pub product: ProductName,
    /// Of which build.
    pub build: BuildId,
    /// What that build's release tree looked like.
    pub release: Digest,
    /// The moment that it shows.
    pub taken_at: Timestamp,
    /// Whether the product stood still while it was saved.
    #[serde(default)]
    pub stood_still: bool,
    /// The product's folder.
    pub root: String,
    /// Folders and files of the unit that did not exist.
    pub absent: Vec<String>,
    /// Everything below the unit's folders, parents first, relative to the root.
    pub files: Vec<SavedPath>,
    /// Databases by name.
    pub databases: BTreeMap<String, SavedDatabase>,
}

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPath {
    /// Relative to the root.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// What it is.
    pub node: SavedNode,
    /// What told the live file from a changed one; none when nothing could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Identity>,
    /// Whether its copy was there already, in an earlier backup.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
}

/// What tells a file from a changed one without reading it: the kernel sets the change time, nobody else can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it.
    pub inode: u64,
    /// Its length.
    pub size: ByteSize,
    /// When its content was changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// When anything of it was changed, in nanoseconds since 1970.
    pub changed_ns: i64,
}

/// What a saved path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SavedNode {
    /// A folder.
    Folder {},
    /// A file.
    File {
        /// Its length.
        size: ByteSize,
        /// SHA-256 of its content.
        digest: Digest,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: String,
    },
}

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SavedDatabase {
    /// A file; `file.path` is the live place below the root, the copy lies in `databases/NAME.sqlite`.
    Sqlite {
        /// The live file's place and rights; size and digest are those of the copy.
        file: SavedPath,
        /// SHA-256 of the schema's text.
        schema: Digest,
    },
    /// A dump in `pg_dump`'s own format in `databases/NAME.dump`.
    Postgres {
        /// Bytes, counted while the dump was produced.
        size: ByteSize,
        /// SHA-256, computed while the dump was produced.
        digest: Digest,
    },
    /// A dump in SQL in `databases/NAME.sql`.
    Mariadb {
        /// Bytes, counted while the dump was produced.
        size: ByteSize,
        /// SHA-256, computed while the dump was produced.
        digest: Digest,
    },
    /// There was none.
    Absent {
        /// The place where it would be.
        path: String,
    },
}

impl Manifest {
    /// Bytes of everything that was saved.
    #[must_use]
    pub fn size(&self) -> ByteSize {
        let file = |node: &SavedNode| match node {
            SavedNode::File { size, .. } => size.0,
            SavedNode::Folder {} | SavedNode::Link { .. } => 0,
        };
        let files: u64 = self.files.iter().map(|saved| file(&saved.node)).sum();
        let databases: u64 = (self.databases.values())
            .map(|database| match database {
                SavedDatabase::Sqlite { file: saved, .. } => file(&saved.node),
                SavedDatabase::Postgres { size, .. } | SavedDatabase::Mariadb { size, .. } => {
                    size.0
                }
                SavedDatabase::Absent { .. } => 0,
            })
            .sum();
        ByteSize(files + databases)
    }

    /// Reads the manifest in `folder`, be it sealed or saved ahead.
    pub(crate) fn peek(folder: &Path) -> Result<Self, BackupError> {
        match Self::read(folder) {
            Err(BackupError::NotSealed { .. }) => {
                Self::read_file(folder, AHEAD_FILE).map(|(manifest, _)| manifest)
            }
            read => read.map(|(manifest, _)| manifest),
        }
    }

    /// Reads the manifest of the backup in `folder`, with the digest of its text.
    pub(crate) fn read(folder: &Path) -> Result<(Self, Digest), BackupError> {
        Self::read_file(folder, MANIFEST_FILE)
    }

    fn read_file(folder: &Path, name: &str) -> Result<(Self, Digest), BackupError> {
        let path = folder.join(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(BackupError::NotSealed { path: folder.to_owned() });
            }
            Err(error) => return Err(BackupError::io("read", &path)(error)),
        };
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|source| BackupError::Manifest { path: path.clone(), source })?;
        if manifest.format != MANIFEST_FORMAT {
            let (expected, found) = (MANIFEST_FORMAT.to_owned(), manifest.format);
            return Err(BackupError::Damaged { path, expected, found });
        }
        Ok((manifest, Digest::of(&text)))
    }
}
