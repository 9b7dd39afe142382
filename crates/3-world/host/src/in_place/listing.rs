//! What a build owns: paths with type, rights and digest. Kept beside the agent's state, where the product cannot change it.

use crate::error::StepError;
use refit_backup::{measure, sync_folder};
use refit_names::{BuildId, Digest, ProductName};
use refit_packs::record::{TreeEntry, TreeNode};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Node {
    /// A folder.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// A file.
    File {
        /// Permission bits.
        mode: u32,
        /// SHA-256 of its content.
        digest: Digest,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        #[serde(with = "lossless")]
        target: PathBuf,
    },
}

/// The paths that a build owns, parents first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Relative to the product's folder.
    pub entries: BTreeMap<PathBuf, Node>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(with = "lossless")]
    path: PathBuf,
    node: Node,
}

impl Listing {
    /// Of a pack's payload.
    #[must_use]
    pub fn of_payload(payload: &[TreeEntry]) -> Self {
        let node = |entry: &TreeEntry| match &entry.node {
            TreeNode::Folder { mode } => Node::Folder { mode: *mode },
            TreeNode::File { mode, digest, .. } => Node::File { mode: *mode, digest: *digest },
            TreeNode::Link { target } => Node::Link { target: target.into() },
        };
        let entries = payload.iter().map(|entry| (PathBuf::from(entry.path.as_str()), node(entry)));
        Self { entries: entries.collect() }
    }

    /// Of a tree on disk; `left_out` is asked about each path relative to it.
    ///
    /// # Errors
    /// [`StepError::Io`] when something in it cannot be read.
    pub fn of_tree(top: &Path, left_out: &dyn Fn(&Path) -> bool) -> Result<Self, StepError> {
        let mut entries = BTreeMap::new();
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            let at = top.join(&folder);
            for entry in fs::read_dir(&at).map_err(StepError::io("list", &at))? {
                let path = folder.join(entry.map_err(StepError::io("list", &at))?.file_name());
                if left_out(&path) {
                    continue;
                }
                let full = top.join(&path);
                let seen = fs::symlink_metadata(&full).map_err(StepError::io("look at", &full))?;
                let mode = seen.permissions().mode() & 0o7777;
                let node = if seen.is_dir() {
                    open.push(path.clone());
                    Node::Folder { mode }
                } else if seen.is_symlink() {
                    let target = fs::read_link(&full).map_err(StepError::io("read link", &full))?;
                    Node::Link { target }
                } else if seen.is_file() {
                    Node::File { mode, digest: measure(&full)?.1 }
                } else {
                    // Sockets and pipes belong to whoever made them.
                    continue;
                };
                entries.insert(path, node);
            }
        }
        Ok(Self { entries })
    }

    fn place(state: &Path, product: &ProductName, build: &BuildId) -> PathBuf {
        state.join("in-place").join(product.as_str()).join(format!("{build}.json"))
    }

    /// What `build` owns on this host.
    ///
    /// # Errors
    /// [`StepError::NotAdopted`] when nobody said.
    pub fn load(state: &Path, product: &ProductName, build: &BuildId) -> Result<Self, StepError> {
        let path = Self::place(state, product, build);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (product, build) = (product.clone(), build.clone());
                return Err(StepError::NotAdopted { product, build, path });
            }
            Err(error) => return Err(StepError::io("read", &path)(error)),
        };
        let kept: Vec<Kept> = serde_json::from_slice(&text)?;
        Ok(Self { entries: kept.into_iter().map(|kept| (kept.path, kept.node)).collect() })
    }

    /// Keeps what `build` owns, durable.
    ///
    /// # Errors
    /// [`StepError`] when the disk refuses.
    pub fn save(
        &self,
        state: &Path,
        product: &ProductName,
        build: &BuildId,
    ) -> Result<(), StepError> {
        let kept = self.entries.iter();
        let kept: Vec<Kept> =
            kept.map(|(path, node)| Kept { path: path.clone(), node: node.clone() }).collect();
        write_durable(&Self::place(state, product, build), &serde_json::to_vec(&kept)?)
    }
}

/// Writes a file so that after a power loss it is there whole, or not at all.
pub(crate) fn write_durable(path: &Path, text: &[u8]) -> Result<(), StepError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut file = File::create(&partial).map_err(StepError::io("create", &partial))?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    written.map_err(StepError::io("write", &partial))?;
    fs::rename(&partial, path).map_err(StepError::io("put in place", path))?;
    Ok(sync_folder(folder)?)
}

/// Paths as text: bytes that are no UTF-8 stand as `\xNN`, a backslash is doubled.
pub(crate) mod lossless {
    use super::{Path, PathBuf};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    };

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for chunk in path.as_os_str().as_bytes().utf8_chunks() {
            text.push_str(&chunk.valid().replace('\\', "\\\\"));
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
        }
        to.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(from)?;
        let (mut bytes, mut rest) = (vec![], text.as_str());
        while let Some(at) = rest.find('\\') {
            bytes.extend(rest[..at].bytes());
            let after = &rest[at + 1..];
            let byte = after.strip_prefix('x').and_then(|hex| hex.get(..2));
            let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            rest = match (after.strip_prefix('\\'), byte) {
                (Some(rest), _) => {
                    bytes.push(b'\\');
                    rest
                }
                (None, Some(byte)) => {
                    bytes.push(byte);
                    &after[3..]
                }
                _ => return Err(D::Error::custom("a backslash that nothing follows")),
            };
        }
        bytes.extend(rest.bytes());
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

    #[test]
    fn names_of_any_bytes_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let (product, build) = (ProductName::parse("p").unwrap(), BuildId::parse("1").unwrap());
        let names = [&b"a\nb"[..], b"back\\slash\\x41", b"\xff\xfe", "ü".as_bytes()];
        let node = Node::Link { target: PathBuf::from(OsString::from_vec(b"\xf0\\".to_vec())) };
        let entries =
            names.map(|name| (PathBuf::from(OsString::from_vec(name.to_vec())), node.clone()));
        let listing = Listing { entries: entries.into() };
        assert!(matches!(
            Listing::load(folder.path(), &product, &build),
            Err(StepError::NotAdopted { .. })
        ));
        listing.save(folder.path(), &product, &build).unwrap();
        assert_eq!(Listing::load(folder.path(), &product, &build).unwrap(), listing);
    }
}
