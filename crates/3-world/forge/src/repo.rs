//! The repository: a folder `metadata/` and a folder `targets/` that any static web server can offer.
//!
//! Root and targets keys stay offline (they are needed to publish a pack); snapshot and timestamp keys may stay with the server that
//! renews the expiry. Snapshots are consistent: metadata files carry their version in their name, targets their digest, so that a
//! client that reads while somebody publishes sees the state before or the state after. What lacks signatures waits in `staged/`.

mod catalog;
mod clean;
mod delegation;
mod older;
mod online;
mod place;
mod rehearsal;
mod renew;
mod root;
mod runbooks;
mod sign;
mod staged;
mod state;
mod withdraw;

use crate::{
    ForgeError, PackFile,
    key::{Keyring, PublicKey, SigningKey},
    pack,
};
use catalog::Edit;
use jiff::{SignedDuration, Timestamp};
use online::{Next, whole_seconds};
use refit_names::{BuildId, Digest, ProductName};
use refit_packs::{
    catalog::{CATALOG_FORMAT, Catalog, PackSummary},
    record::PackRecord,
};
use state::State;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub use catalog::{TARGETS, change_catalog, publish_staged, sign as sign_staged, stage_catalog};
pub use clean::{Leftover, Leftovers, clean, leftovers, release_withdrawn, withdrawn_content};
pub use delegation::{
    DelegationEntry, DelegationOptions, RUNBOOKS, add as add_delegation, catalog_target,
    list as delegations, remove as remove_delegation,
};
pub use older::{older_builds, without_deltas};
pub use online::Visible;
pub use rehearsal::Rehearsal;
pub use renew::{RoleStatus, refresh_timestamp, status};
pub use root::{
    Needed, RootChange, StageReport, TopRole, edit as edit_root, publish as publish_root,
    sign as sign_root,
};
pub use runbooks::{PublishedRunbook, publish_runbook, stage_runbook};
pub use staged::{discard, staged_folder};
pub use withdraw::{Withdrawal, stage_withdrawal, withdraw};

/// Offline roles are renewed by a ceremony; a freeze is bounded by the timestamp.
const OFFLINE_LASTS: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How long each kind of metadata is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Root: until its keys must be looked at again.
    pub root: SignedDuration,
    /// Snapshot and timestamp: how long a frozen mirror can hide a new pack.
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

/// What one call added to a role's catalogue.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedPacks {
    /// Packs that are new.
    pub added: Vec<PublishedPack>,
    /// Packs that were there already with the same content.
    pub unchanged: Vec<PublishedPack>,
    /// What waits for signatures now.
    pub stage: StageReport,
}

/// Makes keys and an empty repository, and returns the root file that clients pin.
///
/// # Errors
/// [`ForgeError::Exists`] when there is a repository or a key already, [`ForgeError::Threshold`].
#[expect(clippy::unused_async, reason = "callers await it since signing was the library's")]
pub async fn init(
    dir: &Path,
    keys_dir: &Path,
    options: &InitOptions,
    now: Timestamp,
) -> Result<PathBuf, ForgeError> {
    let metadata_dir = begin(dir, keys_dir)?;
    for (role, signers) in [(TopRole::Root, options.root), (TopRole::Targets, options.targets)] {
        if signers.threshold == 0 || signers.threshold > signers.keys {
            let Signers { keys, threshold } = signers;
            return Err(ForgeError::Threshold { role: role.name().to_owned(), threshold, keys });
        }
    }
    let one = Signers::default();
    let (mut ring, mut holders) = (Keyring::empty(), BTreeMap::new());
    for role in TopRole::ALL {
        let signers = match role {
            TopRole::Root => options.root,
            TopRole::Targets => options.targets,
            TopRole::Snapshot | TopRole::Timestamp => one,
        };
        let mut public = Vec::new();
        for number in 1..=signers.keys {
            let key = SigningKey::create(&keys_dir.join(format!("{}-{number}.der", role.name())))?;
            public.push(key.public());
            ring.push(key);
        }
        holders.insert(role, (public, signers.threshold));
    }
    let mut first = root::stage_first(dir, &holders, now + options.expiry.root)?;
    let by = sign::Holders::of_root(&first.metadata.signed, tough::schema::RoleType::Root);
    first.sign(&ring, &[&by])?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, TARGETS, lasting(options.expiry.online), now)?;
    edit.set_catalog(empty_catalog(), &state.targets_dir())?;
    let by = sign::Holders::of_root(&first.metadata.signed, tough::schema::RoleType::Targets);
    edit.staged.sign(&ring, &[&by])?;
    let next =
        Next { root: Some(first.metadata), targets: Some(edit.staged.metadata), ..Next::default() };
    online::put_online(&state, next, &ring, whole_seconds(now + options.expiry.online))?;
    Ok(metadata_dir.join("1.root.json"))
}

/// Prepares a repository whose root and targets keys are held by others: only the online keys are made here. The root waits for its
/// holders' signatures.
///
/// # Errors
/// As [`init`].
pub fn init_staged(
    dir: &Path,
    keys_dir: &Path,
    root: (&[PublicKey], u64),
    targets: (&[PublicKey], u64),
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StageReport, ForgeError> {
    begin(dir, keys_dir)?;
    let mut holders = BTreeMap::new();
    for (role, (keys, threshold)) in [(TopRole::Root, root), (TopRole::Targets, targets)] {
        holders.insert(role, (keys.to_vec(), threshold));
    }
    for role in [TopRole::Snapshot, TopRole::Timestamp] {
        let path = keys_dir.join(format!("{}-1.der", role.name()));
        holders.insert(role, (vec![SigningKey::create(&path)?.public()], 1));
    }
    let first = root::stage_first(dir, &holders, now + expires)?;
    first.write()?;
    Ok(StageReport {
        folder: first.dir,
        version: 1,
        signed: Vec::new(),
        needed: vec![Needed { of: "next root".to_owned(), found: 0, threshold: root.1 }],
    })
}

/// Refuses to make a repository where one is, or waits.
fn begin(dir: &Path, keys_dir: &Path) -> Result<PathBuf, ForgeError> {
    let metadata_dir = dir.join("metadata");
    for path in [metadata_dir.clone(), staged_folder(dir, "root")] {
        if path.exists() {
            return Err(ForgeError::Exists { path });
        }
    }
    for folder in [dir, keys_dir] {
        fs::create_dir_all(folder).map_err(ForgeError::write(folder))?;
    }
    Ok(metadata_dir)
}

fn empty_catalog() -> Catalog {
    Catalog { format: CATALOG_FORMAT.to_owned(), packs: Vec::new() }
}

/// Offline metadata last a year, or as long as the online ones if those last longer.
fn lasting(online: SignedDuration) -> SignedDuration {
    online.max(OFFLINE_LASTS)
}

/// Adds packs and renews the expiry; with no packs it only renews.
///
/// Shape: every pack is verified byte for byte first (with `signer`, its signature too). Clients see all of the change or nothing of
/// it. A pack that is there already with the same content is left alone.
///
/// # Errors
/// What [`PackFile::verify`] says; [`ForgeError::AlreadyPublished`]; [`ForgeError::BelowThreshold`]; [`ForgeError::BrokenRepository`].
#[expect(clippy::unused_async, reason = "callers await it since signing was the library's")]
pub async fn publish(
    dir: &Path,
    keys_dir: &Path,
    packs: &[PathBuf],
    signer: Option<&PublicKey>,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<PublishReport, ForgeError> {
    publish_with(dir, &Keyring::open(keys_dir, None)?, packs, signer, expires, now)
}

/// As [`publish`], with keys that were read already.
///
/// # Errors
/// As [`publish`].
pub fn publish_with(
    dir: &Path,
    keys: &Keyring,
    packs: &[PathBuf],
    signer: Option<&PublicKey>,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<PublishReport, ForgeError> {
    let _lock = state::lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, TARGETS, lasting(expires), now)?;
    let (added, unchanged) = add_packs(&state, &mut edit, packs, signer, &state.targets_dir())?;
    let Visible { version, expires } = edit.publish(&state, keys, whole_seconds(now + expires))?;
    Ok(PublishReport { added, unchanged, version, expires })
}

/// Adds packs to what waits for the signatures of a role: the targets role or a vendor's.
///
/// # Errors
/// As [`publish`]; [`ForgeError::NotDelegated`] for a product that the role may not publish.
pub fn stage_packs(
    dir: &Path,
    role: &str,
    packs: &[PathBuf],
    signer: Option<&PublicKey>,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StagedPacks, ForgeError> {
    let _lock = state::lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, role, expires, now)?;
    let folder = edit.staged.targets_dir();
    let attempt = add_packs(&state, &mut edit, packs, signer, &folder);
    let waits = edit.staged.dir.join("metadata.json").exists();
    if attempt.is_err() && !waits && edit.staged.dir.exists() {
        staged::remove(&edit.staged.dir)?;
    }
    let (added, unchanged) = attempt?;
    Ok(StagedPacks { added, unchanged, stage: edit.finish(&state)? })
}

type Added = (Vec<PublishedPack>, Vec<PublishedPack>);

fn add_packs(
    state: &State,
    edit: &mut Edit,
    packs: &[PathBuf],
    signer: Option<&PublicKey>,
    targets_dir: &Path,
) -> Result<Added, ForgeError> {
    let mut catalog = edit.catalog(state)?;
    let (mut added, mut unchanged) = (Vec::new(), Vec::new());
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
        edit.add(&record, place::bytes(targets_dir, &record, file.record_json())?)?;
        let (squeezed, bytes) = pack::squeezed(&record, file.record_json(), path)?;
        edit.add(&squeezed, place::bytes(targets_dir, &squeezed, &bytes)?)?;
        let bundle = file.record().bundle.target.clone();
        edit.add(&bundle, place::bundle(targets_dir, &bundle, &file)?)?;
        catalog.packs.push(summary);
        added.push(published);
    }
    // Refused before anything of it is placed where a signer would find it.
    edit.check_paths(state)?;
    edit.set_catalog(catalog, targets_dir)?;
    Ok((added, unchanged))
}

fn is_published(catalog: &Catalog, pack: &PublishedPack) -> Result<bool, ForgeError> {
    match catalog.packs.iter().find(|there| there.product == pack.product && there.to == pack.to) {
        None => Ok(false),
        // For ever: hosts and people remember a build by its name. A repaired release is another build (D-0011).
        Some(there) if there.withdrawn.is_some() => Err(ForgeError::Withdrawn {
            product: pack.product.clone(),
            build: pack.to.clone(),
            reason: there.withdrawn.clone().unwrap_or_default(),
        }),
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
        supersedes: manifest.supersedes.clone(),
        floor: manifest.floor.clone(),
        withdrawn: None,
        known_issues: manifest.known_issues.clone(),
        terms: manifest.terms(),
    })
}
