//! The repository: a folder `metadata/` and a folder `targets/` that any static web server can offer.
//!
//! Root and targets keys stay offline (they are needed to publish a pack); snapshot and timestamp keys may stay with the server that
//! renews the expiry. Snapshots are consistent: metadata files carry their version in their name, targets their digest, so that a
//! client that reads while somebody publishes sees the state before or the state after.

mod metadata;
mod place;

use crate::{ForgeError, PackFile, key::PublicKey, pack};
use jiff::{SignedDuration, Timestamp};
use refit_names::{BuildId, Digest, ProductName, TargetName};
use refit_packs::{
    catalog::{CATALOG_FORMAT, CATALOG_TARGET, Catalog, PackSummary},
    record::PackRecord,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// How long each kind of metadata is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Root: until its keys must be looked at again.
    pub root: SignedDuration,
    /// Targets, snapshot and timestamp: how long a frozen mirror can hide a new pack.
    pub online: SignedDuration,
}

impl Default for Expiry {
    /// A year for the root, as its ceremony is; 30 days for the rest, so that a site with monthly media keeps working.
    fn default() -> Self {
        Self {
            root: SignedDuration::from_hours(365 * 24),
            online: SignedDuration::from_hours(30 * 24),
        }
    }
}

/// How many keys an offline role has, and how many must sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signers {
    /// Keys that are made.
    pub keys: u64,
    /// Signatures that are needed.
    pub threshold: u64,
}

impl Default for Signers {
    /// One of one: what a single person can keep.
    fn default() -> Self {
        Self { keys: 1, threshold: 1 }
    }
}

/// What a new repository is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InitOptions {
    /// Who signs the root.
    pub root: Signers,
    /// Who signs what is published.
    pub targets: Signers,
    /// How long it is believed.
    pub expiry: Expiry,
}

/// What `publish` did.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReport {
    /// Packs that are new, with the digest of their record.
    pub added: Vec<PublishedPack>,
    /// Packs that were there already with the same content.
    pub unchanged: Vec<PublishedPack>,
    /// The version of the metadata that clients see now.
    pub version: u64,
    /// Until when it is believed.
    pub expires: Timestamp,
}

/// A pack in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPack {
    /// What is upgraded.
    pub product: ProductName,
    /// The build that it leads to.
    pub to: BuildId,
    /// SHA-256 of its record.
    pub record: Digest,
}

/// Makes keys and an empty repository, and returns the root file that clients pin.
///
/// # Errors
/// [`ForgeError::Exists`] when there is a repository or a key already, [`ForgeError::Threshold`].
pub async fn init(
    dir: &Path,
    keys_dir: &Path,
    options: &InitOptions,
    now: Timestamp,
) -> Result<PathBuf, ForgeError> {
    let metadata_dir = dir.join("metadata");
    if metadata_dir.exists() {
        return Err(ForgeError::Exists { path: metadata_dir });
    }
    for folder in [dir, keys_dir] {
        fs::create_dir_all(folder).map_err(ForgeError::write(folder))?;
    }
    let root = metadata::create_root(keys_dir, options, now).await?;
    let staged = tempfile::tempdir_in(dir).map_err(ForgeError::write(dir))?;
    let root_file = staged.path().join("1.root.json");
    fs::write(&root_file, root.buffer()).map_err(ForgeError::write(&root_file))?;

    let catalog = Catalog { format: CATALOG_FORMAT.to_owned(), packs: Vec::new() };
    let targets = vec![add_catalog(dir, &catalog)?];
    let change = metadata::Change { targets, version: 1, expires: now + options.expiry.online };
    let signed = metadata::sign(&root_file, None, change, keys_dir).await?;
    metadata::install(&signed, &metadata_dir).await?;
    Ok(metadata_dir.join("1.root.json"))
}

/// Adds packs and renews the expiry; with no packs it only renews.
///
/// Shape: every pack is verified byte for byte first (with `signer`, its signature too). Clients see all of the change or nothing of
/// it. A pack that is there already with the same content is left alone.
///
/// # Errors
/// What [`PackFile::verify`] says; [`ForgeError::AlreadyPublished`]; [`ForgeError::BrokenRepository`].
pub async fn publish(
    dir: &Path,
    keys_dir: &Path,
    packs: &[PathBuf],
    signer: Option<&PublicKey>,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<PublishReport, ForgeError> {
    // One publisher at a time; the lock goes when the file is closed.
    let lock = File::open(dir).map_err(ForgeError::read(dir))?;
    lock.lock().map_err(ForgeError::write(dir))?;

    let current = metadata::Current::read(&dir.join("metadata"))?;
    let mut catalog = current.catalog(dir)?;
    let (mut added, mut unchanged, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for path in packs {
        let file = PackFile::read(path)?;
        let verified = file.verify(signer)?;
        let summary = summary(file.record(), verified.record, path)?;
        let published = PublishedPack {
            product: summary.product.clone(),
            to: summary.to.clone(),
            record: verified.record,
        };
        if is_published(&catalog, &published)? {
            unchanged.push(published);
            continue;
        }
        let record = summary.record.clone();
        targets.push((
            record.clone(),
            place::bytes(&dir.join("targets"), &record, file.record_json())?,
        ));
        let bundle = file.record().bundle.target.clone();
        targets.push((bundle.clone(), place::bundle(&dir.join("targets"), &bundle, &file)?));
        catalog.packs.push(summary);
        added.push(published);
    }
    catalog.packs.sort_by(|a, b| (&a.product, &a.to).cmp(&(&b.product, &b.to)));
    targets.push(add_catalog(dir, &catalog)?);

    let version = current.next_version();
    let expires = metadata::whole_seconds(now + expires);
    let change = metadata::Change { targets, version, expires };
    let root_file = current.root_file.clone();
    let signed = metadata::sign(&root_file, Some(current), change, keys_dir).await?;
    metadata::install(&signed, &dir.join("metadata")).await?;
    Ok(PublishReport { added, unchanged, version, expires })
}

fn is_published(catalog: &Catalog, pack: &PublishedPack) -> Result<bool, ForgeError> {
    match catalog.packs.iter().find(|there| there.product == pack.product && there.to == pack.to) {
        None => Ok(false),
        Some(there) if there.record_digest == pack.record => Ok(true),
        Some(there) => Err(ForgeError::AlreadyPublished {
            product: pack.product.clone(),
            build: pack.to.clone(),
            expected: Box::new(there.record_digest),
            found: Box::new(pack.record),
        }),
    }
}

fn summary(record: &PackRecord, digest: Digest, at: &Path) -> Result<PackSummary, ForgeError> {
    let manifest = &record.manifest;
    let bundle = pack::target_name(manifest, "bundle", at)?;
    if record.bundle.target != bundle {
        return Err(ForgeError::Damaged {
            path: at.to_owned(),
            what: "name of the bundle".to_owned(),
            expected: bundle.to_string(),
            found: record.bundle.target.to_string(),
        });
    }
    Ok(PackSummary {
        product: manifest.product.clone(),
        from: manifest.from.clone(),
        to: manifest.to.clone(),
        kind: manifest.kind,
        title: manifest.title.clone(),
        record: pack::target_name(manifest, "record.json", at)?,
        record_digest: digest,
        size: record.bundle.size,
        blocked: manifest.blocked.clone(),
        withdrawn: None,
        known_issues: manifest.known_issues.clone(),
    })
}

fn add_catalog(dir: &Path, catalog: &Catalog) -> Result<(TargetName, place::Placed), ForgeError> {
    let broken = |why: String| ForgeError::BrokenRepository { path: dir.to_owned(), why };
    let name = TargetName::parse(CATALOG_TARGET).map_err(|error| broken(error.to_string()))?;
    let mut text = serde_json::to_vec_pretty(catalog).map_err(|error| broken(error.to_string()))?;
    text.push(b'\n');
    let placed = place::bytes(&dir.join("targets"), &name, &text)?;
    Ok((name, placed))
}
