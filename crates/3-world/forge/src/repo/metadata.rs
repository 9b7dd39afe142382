//! The signed metadata: reading what is there, signing what comes next, making it visible.

use super::{Catalog, InitOptions, Signers, place};
use crate::{ForgeError, key::SigningKey};
use aws_lc_rs::rand::SystemRandom;
use jiff::Timestamp;
use refit_names::{Digest, TargetName};
use refit_packs::catalog::CATALOG_TARGET;
use serde::de::DeserializeOwned;
use std::{
    collections::HashMap,
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
};
use tough::{
    editor::{
        RepositoryEditor,
        signed::{SignedRepository, SignedRole},
    },
    key_source::{KeySource, LocalKeySource},
    schema::{
        Hashes, KeyHolder, Role, RoleKeys, RoleType, Root, Signed, Snapshot, Target, Targets,
        Timestamp as TimestampRole,
    },
    sign::Sign,
};

/// The version of the TUF specification that the metadata follows.
const SPEC_VERSION: &str = "1.0.0";

/// What the next metadata says beyond the present.
pub(super) struct Change {
    pub(super) targets: Vec<(TargetName, place::Placed)>,
    pub(super) version: u64,
    pub(super) expires: Timestamp,
}

/// The present metadata, verified under the newest root.
pub(super) struct Current {
    pub(super) root_file: PathBuf,
    timestamp: Signed<TimestampRole>,
    snapshot: Signed<Snapshot>,
    targets: Signed<Targets>,
}

impl Current {
    /// Reads and verifies what is there. Expiry does not matter here: publishing is how it is renewed.
    pub(super) fn read(dir: &Path) -> Result<Self, ForgeError> {
        let root_file = newest_root(dir)?;
        let root: Signed<Root> = read_role(&root_file)?;
        let timestamp: Signed<TimestampRole> = read_verified(&root, &dir.join("timestamp.json"))?;
        let broken = |file: &str, why: &str| ForgeError::BrokenRepository {
            path: dir.join(file),
            why: why.to_owned(),
        };
        let snapshot_meta = timestamp
            .signed
            .meta
            .get("snapshot.json")
            .ok_or_else(|| broken("timestamp.json", "it names no snapshot"))?;
        let snapshot_file = format!("{}.snapshot.json", snapshot_meta.version);
        let snapshot: Signed<Snapshot> = read_verified(&root, &dir.join(&snapshot_file))?;
        let targets_meta = snapshot
            .signed
            .meta
            .get("targets.json")
            .ok_or_else(|| broken(&snapshot_file, "it names no targets"))?;
        let targets =
            read_verified(&root, &dir.join(format!("{}.targets.json", targets_meta.version)))?;
        Ok(Self { root_file, timestamp, snapshot, targets })
    }

    /// One more than any role has: all three move together.
    pub(super) fn next_version(&self) -> u64 {
        let versions = [
            self.timestamp.signed.version,
            self.snapshot.signed.version,
            self.targets.signed.version,
        ];
        versions.iter().map(|version| version.get()).max().unwrap_or(0).saturating_add(1)
    }

    /// The catalogue that is published now.
    pub(super) fn catalog(&self, dir: &Path) -> Result<Catalog, ForgeError> {
        let broken =
            |path: &Path, why: String| ForgeError::BrokenRepository { path: path.to_owned(), why };
        let name =
            TargetName::parse(CATALOG_TARGET).map_err(|error| broken(dir, error.to_string()))?;
        let key = tough::TargetName::new(CATALOG_TARGET)
            .map_err(|error| broken(dir, error.to_string()))?;
        let target = self
            .targets
            .signed
            .targets
            .get(&key)
            .ok_or_else(|| broken(dir, "it has no catalog.json".to_owned()))?;
        let digest = Digest::parse(&hex::encode(&target.hashes.sha256))
            .map_err(|error| broken(dir, error.to_string()))?;
        let path = place::path_of(&dir.join("targets"), &name, digest);
        let text = fs::read(&path).map_err(ForgeError::read(&path))?;
        if Digest::of(&text) != digest {
            return Err(broken(&path, format!("expected {digest}, found {}", Digest::of(&text))));
        }
        serde_json::from_slice(&text).map_err(|error| broken(&path, error.to_string()))
    }
}

/// The root with the highest version in a chain without gaps.
fn newest_root(dir: &Path) -> Result<PathBuf, ForgeError> {
    let file = |version: u64| dir.join(format!("{version}.root.json"));
    let mut version = 0;
    while file(version + 1).exists() {
        version += 1;
    }
    if version == 0 {
        return Err(ForgeError::BrokenRepository {
            path: file(1),
            why: "there is no such file: make a repository with `refit repo init`".to_owned(),
        });
    }
    Ok(file(version))
}

fn read_role<T: DeserializeOwned>(path: &Path) -> Result<T, ForgeError> {
    let bytes = fs::read(path).map_err(ForgeError::read(path))?;
    serde_json::from_slice(&bytes).map_err(|error| ForgeError::BrokenRepository {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn read_verified<T: Role + DeserializeOwned>(
    root: &Signed<Root>,
    path: &Path,
) -> Result<Signed<T>, ForgeError> {
    let role: Signed<T> = read_role(path)?;
    root.signed.verify_role(&role).map_err(|error| ForgeError::BrokenRepository {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    Ok(role)
}

/// Makes every key and the first root.
pub(super) async fn create_root(
    keys_dir: &Path,
    options: &InitOptions,
    now: Timestamp,
) -> Result<SignedRole<Root>, ForgeError> {
    let mut root = Root {
        spec_version: SPEC_VERSION.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: whole_seconds(now + options.expiry.root),
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    let one = Signers::default();
    let roles = [
        (RoleType::Root, "root", options.root),
        (RoleType::Targets, "targets", options.targets),
        (RoleType::Snapshot, "snapshot", one),
        (RoleType::Timestamp, "timestamp", one),
    ];
    for (_, role, signers) in roles {
        if signers.threshold == 0 || signers.threshold > signers.keys {
            return Err(ForgeError::Threshold {
                role,
                threshold: signers.threshold,
                keys: signers.keys,
            });
        }
    }
    for (role, name, signers) in roles {
        let threshold = NonZeroU64::new(signers.threshold).unwrap_or(NonZeroU64::MIN);
        let mut holders = RoleKeys { keyids: Vec::new(), threshold, _extra: HashMap::new() };
        for number in 1..=signers.keys {
            let path = keys_dir.join(format!("{name}-{number}.der"));
            let key = SigningKey::create(&path)?.pair().tuf_key();
            let id =
                key.key_id().map_err(|error| ForgeError::Key { path, why: error.to_string() })?;
            root.keys.insert(id.clone(), key);
            holders.keyids.push(id);
        }
        root.roles.insert(role, holders);
    }
    let sources = key_sources(keys_dir)?;
    let signed = SignedRole::new(
        root.clone(),
        &KeyHolder::Root(root.clone()),
        &sources,
        &SystemRandom::new(),
    )
    .await
    .map_err(ForgeError::sign)?;
    // `SignedRole::new` is content with one signature of a root; clients are not.
    root.verify_role(signed.signed()).map_err(|error| ForgeError::BrokenRepository {
        path: keys_dir.to_owned(),
        why: error.to_string(),
    })?;
    Ok(signed)
}

/// Signs targets, snapshot and timestamp with the keys of `keys_dir`.
pub(super) async fn sign(
    root_file: &Path,
    current: Option<Current>,
    change: Change,
    keys_dir: &Path,
) -> Result<SignedRepository, ForgeError> {
    let mut editor = RepositoryEditor::new(root_file).await.map_err(ForgeError::sign)?;
    if let Some(current) = current {
        editor.targets(current.targets).map_err(ForgeError::sign)?;
    }
    let version = NonZeroU64::new(change.version).unwrap_or(NonZeroU64::MIN);
    let expires = whole_seconds(change.expires);
    editor
        .targets_version(version)
        .map_err(ForgeError::sign)?
        .targets_expires(expires)
        .map_err(ForgeError::sign)?;
    editor
        .snapshot_version(version)
        .snapshot_expires(expires)
        .timestamp_version(version)
        .timestamp_expires(expires);
    for (name, placed) in change.targets {
        let hashes =
            Hashes { sha256: placed.digest.as_bytes().to_vec().into(), _extra: HashMap::new() };
        let target = Target {
            length: placed.length,
            hashes,
            custom: HashMap::new(),
            _extra: HashMap::new(),
        };
        editor.add_target(name.as_str(), target).map_err(ForgeError::sign)?;
    }
    editor.sign(&key_sources(keys_dir)?).await.map_err(ForgeError::sign)
}

/// Moves signed metadata into its folder: the timestamp last, because it alone makes the rest visible.
pub(super) async fn install(signed: &SignedRepository, dir: &Path) -> Result<(), ForgeError> {
    let parent = dir.parent().unwrap_or(Path::new("."));
    let staged = tempfile::tempdir_in(parent).map_err(ForgeError::write(parent))?;
    signed.write(staged.path()).await.map_err(ForgeError::sign)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(staged.path()).map_err(ForgeError::read(staged.path()))? {
        names.push(entry.map_err(ForgeError::read(staged.path()))?.file_name());
    }
    names.sort_by_key(|name| (name == "timestamp.json", name.clone()));
    for name in names {
        let from = staged.path().join(&name);
        let content = fs::read(&from).map_err(ForgeError::read(&from))?;
        let to = dir.join(&name);
        place::atomically(&to, |file| {
            std::io::Write::write_all(file, &content).map_err(ForgeError::write(&to))
        })?;
    }
    Ok(())
}

/// Every `*.der` file of the folder; which of them a role needs is the root's word.
fn key_sources(dir: &Path) -> Result<Vec<Box<dyn KeySource>>, ForgeError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(ForgeError::read(dir))? {
        let path = entry.map_err(ForgeError::read(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "der") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths
        .into_iter()
        .map(|path| Box::new(LocalKeySource { path }) as Box<dyn KeySource>)
        .collect())
}

/// Other readers of the format know no fractions of a second.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
