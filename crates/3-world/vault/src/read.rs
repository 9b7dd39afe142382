//! Reading snapshots back.

use crate::{
    error::{VaultError, guarded},
    vault::{Snapshot, Vault},
};
use refit_backup::{Depth, Manifest, Meter, SavedDatabase, SavedNode, Sealed, adopt};
use refit_names::{ByteSize, Digest};
use rustic_core::{
    IndexedFull, LsOptions, Repository,
    repofile::{Node, NodeType, SnapshotFile},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Component, Path, PathBuf},
};

/// The table of contents of a backup, as `backup` writes it.
const MANIFEST_FILE: &str = "manifest.json";

/// What a snapshot must hold.
struct Expected {
    size: ByteSize,
    digest: Digest,
    reused: bool,
}

impl Vault {
    /// Reads every byte of a snapshot and compares it with its manifest.
    ///
    /// # Errors
    /// [`VaultError::NotWhole`] at the first difference.
    pub fn verify(&self, snapshot: &Snapshot) -> Result<ByteSize, VaultError> {
        let file = self.file(snapshot)?;
        self.meter.expect(snapshot.size.0);
        self.read_back(&file, None, Depth::Whole)
    }

    /// Brings a snapshot back as the sealed backup `id` below `store`. Nothing of the product is touched.
    ///
    /// # Errors
    /// [`VaultError`]; then there is no such backup.
    pub fn fetch(&self, snapshot: &Snapshot, store: &Path, id: &str) -> Result<Sealed, VaultError> {
        let product = store.join(snapshot.product.as_str());
        fs::create_dir_all(&product).map_err(VaultError::io("make folder", &product))?;
        let partial = product.join(format!("{id}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(VaultError::io("remove", &partial))?;
        }
        let file = self.file(snapshot)?;
        guarded("bring a snapshot back", &self.target, || self.write_files(&file, &partial))?;
        Ok(adopt(store, &snapshot.product, id, snapshot.manifest)?)
    }

    /// The library's own restore gives up in the middle of a damaged pack without a word that could be caught.
    fn write_files(&self, file: &SnapshotFile, partial: &Path) -> Result<(), VaultError> {
        let repository = self.indexed()?;
        let nodes = self.nodes(&repository, file)?;
        self.meter.expect(nodes.iter().map(|(_, node)| node.meta.size).sum());
        for (path, node) in nodes {
            let lawful = |part| matches!(part, Component::Normal(_));
            if !path.components().all(lawful) {
                let (name, path) =
                    (file.id.to_hex().as_str().to_owned(), path.display().to_string());
                return Err(differs(
                    &name,
                    &path,
                    "a path below the backup".to_owned(),
                    path.clone(),
                ));
            }
            let target = partial.join(&path);
            if node.node_type == NodeType::Dir {
                fs::create_dir_all(&target).map_err(VaultError::io("make folder", &target))?;
                continue;
            }
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(VaultError::io("make folder", parent))?;
            }
            let written = File::create_new(&target).map_err(VaultError::io("create", &target))?;
            let mut buffered = BufWriter::new(written);
            let dumped = repository.dump(&node, &mut buffered);
            dumped.map_err(VaultError::repository("read a file", &self.target))?;
            self.meter.add(node.meta.size);
            let written = buffered.into_inner().map_err(|error| error.into_error());
            let written = written.map_err(VaultError::io("write", &target))?;
            if let Some(modified) = node.meta.mtime {
                written
                    .set_modified(modified.into())
                    .map_err(VaultError::io("set time of", &target))?;
            }
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(partial, private).map_err(VaultError::io("set rights of", partial))
    }

    /// Compares a snapshot with its manifest. The caller tells the meter what there is to read.
    pub(crate) fn read_back(
        &self,
        file: &SnapshotFile,
        sealed: Option<&Sealed>,
        depth: Depth,
    ) -> Result<ByteSize, VaultError> {
        guarded("read a snapshot back", &self.target, || self.compare(file, sealed, depth))
    }

    fn compare(
        &self,
        file: &SnapshotFile,
        sealed: Option<&Sealed>,
        depth: Depth,
    ) -> Result<ByteSize, VaultError> {
        let name = file.id.to_hex().as_str().to_owned();
        let repository = self.indexed()?;
        let found: BTreeMap<_, _> = self.nodes(&repository, file)?.into_iter().collect();
        let manifest = found.get(Path::new(MANIFEST_FILE));
        let manifest = manifest.ok_or_else(|| missing(&name, MANIFEST_FILE))?;
        let mut text = Vec::new();
        let dumped = repository.dump(manifest, &mut text);
        dumped.map_err(VaultError::repository("read a manifest", &self.target))?;
        if let Some(sealed) = sealed
            && Digest::of(&text) != sealed.digest
        {
            let (expected, found) = (sealed.digest, Digest::of(&text));
            return Err(differs(&name, MANIFEST_FILE, expected.to_string(), found.to_string()));
        }
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| {
            differs(&name, MANIFEST_FILE, "a manifest".to_owned(), error.to_string())
        })?;
        let mut read = ByteSize(0);
        for (path, expected) in contents(&manifest) {
            let shown = path.display().to_string();
            let node = found.get(&path).ok_or_else(|| missing(&name, &shown))?;
            if node.meta.size != expected.size.0 {
                let (want, found) = (expected.size.0, node.meta.size);
                return Err(differs(
                    &name,
                    &shown,
                    format!("{want} bytes"),
                    format!("{found} bytes"),
                ));
            }
            if depth == Depth::Whole || !expected.reused {
                let mut hash = Hashing { hash: Sha256::new(), meter: &self.meter };
                let dumped = repository.dump(node, &mut hash);
                dumped.map_err(VaultError::repository("read a file", &self.target))?;
                let digest = Digest::from_bytes(hash.hash.finalize().into());
                if digest != expected.digest {
                    let (want, found) = (expected.digest.to_string(), digest.to_string());
                    return Err(differs(&name, &shown, want, found));
                }
                read.0 += expected.size.0;
            }
        }
        Ok(read)
    }

    fn file(&self, snapshot: &Snapshot) -> Result<SnapshotFile, VaultError> {
        let ids = [snapshot.id.as_str()];
        let found = self.repository()?.get_snapshots(&ids);
        let found = found.map_err(VaultError::repository("find a snapshot", &self.target))?;
        found.into_iter().next().ok_or_else(|| VaultError::NoSnapshot {
            place: self.target.name(),
            snapshot: snapshot.id.clone(),
            host: snapshot.host.to_string(),
        })
    }

    fn indexed(&self) -> Result<Repository<impl IndexedFull>, VaultError> {
        let repository = self.repository()?.to_indexed();
        repository.map_err(VaultError::repository("read the index", &self.target))
    }

    /// The folder in the snapshot that holds the backup.
    fn top(
        &self,
        repository: &Repository<impl IndexedFull>,
        file: &SnapshotFile,
    ) -> Result<Node, VaultError> {
        let failed = VaultError::repository("look into a snapshot", &self.target);
        let path = format!("/{}", file.label);
        repository.node_from_snapshot_and_path(file, &path).map_err(failed)
    }

    /// Everything in the backup's folder, parents first.
    fn nodes(
        &self,
        repository: &Repository<impl IndexedFull>,
        file: &SnapshotFile,
    ) -> Result<Vec<(PathBuf, Node)>, VaultError> {
        let failed = |what| VaultError::repository(what, &self.target);
        let top = self.top(repository, file)?;
        let nodes =
            repository.ls(&top, &LsOptions::default()).map_err(failed("list a snapshot"))?;
        nodes.collect::<Result<_, _>>().map_err(failed("list a snapshot"))
    }
}

/// Everything with content that a backup has beside its manifest, by its path in the backup's folder.
fn contents(manifest: &Manifest) -> Vec<(PathBuf, Expected)> {
    let files = manifest.files.iter().filter_map(|saved| match &saved.node {
        SavedNode::File { size, digest } => {
            let expected = Expected { size: *size, digest: *digest, reused: saved.reused };
            Some((Path::new("data").join(&saved.path), expected))
        }
        SavedNode::Folder {} | SavedNode::Link { .. } => None,
    });
    let databases = manifest.databases.iter().filter_map(|(name, database)| {
        let (file, size, digest) = match database {
            SavedDatabase::Sqlite { file, .. } => match &file.node {
                SavedNode::File { size, digest } => (format!("{name}.sqlite"), size, digest),
                SavedNode::Folder {} | SavedNode::Link { .. } => return None,
            },
            SavedDatabase::Postgres { size, digest } => (format!("{name}.dump"), size, digest),
            SavedDatabase::Mariadb { size, digest } => (format!("{name}.sql"), size, digest),
            SavedDatabase::Absent { .. } => return None,
        };
        let expected = Expected { size: *size, digest: *digest, reused: false };
        Some((Path::new("databases").join(file), expected))
    });
    files.chain(databases).collect()
}

fn missing(snapshot: &str, path: &str) -> VaultError {
    differs(snapshot, path, "a file".to_owned(), "nothing".to_owned())
}

fn differs(snapshot: &str, path: &str, expected: String, found: String) -> VaultError {
    let (snapshot, path) = (snapshot.to_owned(), path.to_owned());
    VaultError::NotWhole { snapshot, path, expected, found }
}

/// A writer that only hashes and counts.
struct Hashing<'a> {
    hash: Sha256,
    meter: &'a Meter,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hash.update(bytes);
        self.meter.add(bytes.len() as u64);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
