//! An older build that deltas are made against: its files on disk and what they are.

use crate::{ForgeError, PackFile, pack, tree};
use refit_names::{BuildId, Digest, ProductName, TreePath};
use refit_packs::record::{TreeEntry, TreeNode};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// An older build: a pack file or the folder that one was built from.
#[derive(Debug)]
pub struct OldBuild {
    product: ProductName,
    build: BuildId,
    root: PathBuf,
    files: BTreeMap<TreePath, OldFile>,
    /// Where a pack file was unpacked; goes with this value.
    _unpacked: Option<tempfile::TempDir>,
}

/// One of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OldFile {
    pub(super) path: TreePath,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl OldBuild {
    /// Opens `NAME-BUILD.refit`, or a folder with a `pack.yaml`.
    ///
    /// # Errors
    /// As for the pack or the folder itself.
    pub fn open(path: &Path) -> Result<Self, ForgeError> {
        if path.is_dir() { Self::of_folder(path) } else { Self::of_pack(&PackFile::read(path)?) }
    }

    /// Which product.
    #[must_use]
    pub const fn product(&self) -> &ProductName {
        &self.product
    }

    /// Which build.
    #[must_use]
    pub const fn build(&self) -> &BuildId {
        &self.build
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) const fn files(&self) -> &BTreeMap<TreePath, OldFile> {
        &self.files
    }

    fn of_folder(folder: &Path) -> Result<Self, ForgeError> {
        let manifest = pack::manifest(folder)?;
        let root = pack::tree_folder(folder, &manifest.payload)?;
        let mut files = BTreeMap::new();
        for (path, place) in tree::files(&root)? {
            let size = fs::metadata(&place).map_err(ForgeError::read(&place))?.len();
            let digest = tree::digest_of(&place)?;
            files.insert(path.clone(), OldFile { path, size, digest });
        }
        let (product, build) = (manifest.product, manifest.to);
        Ok(Self { product, build, root, files, _unpacked: None })
    }

    pub(crate) fn of_pack(pack: &PackFile) -> Result<Self, ForgeError> {
        let unpacked = tempfile::tempdir().map_err(ForgeError::write(std::env::temp_dir()))?;
        let (root, record) = (unpacked.path().to_owned(), pack.record());
        let mut files = BTreeMap::new();
        for entry in &record.payload {
            if let Some(file) = unpack(pack, entry, &root)? {
                files.insert(entry.path.clone(), file);
            }
        }
        Ok(Self {
            product: record.manifest.product.clone(),
            build: record.manifest.to.clone(),
            root,
            files,
            _unpacked: Some(unpacked),
        })
    }
}

fn unpack(pack: &PackFile, entry: &TreeEntry, root: &Path) -> Result<Option<OldFile>, ForgeError> {
    let place = root.join(entry.path.as_str());
    match &entry.node {
        TreeNode::Folder { .. } => {
            fs::create_dir(&place).map_err(ForgeError::write(&place))?;
            Ok(None)
        }
        // A link has no content of its own.
        TreeNode::Link { .. } => Ok(None),
        TreeNode::File { size, digest, chunks, .. } => {
            let mut file = File::create(&place).map_err(ForgeError::write(&place))?;
            for index in chunks {
                if let Some(chunk) = pack.record().bundle.chunks.get(*index as usize) {
                    file.write_all(&pack.chunk(chunk)?).map_err(ForgeError::write(&place))?;
                }
            }
            Ok(Some(OldFile { path: entry.path.clone(), size: size.0, digest: *digest }))
        }
    }
}
