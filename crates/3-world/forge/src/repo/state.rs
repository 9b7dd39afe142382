//! What the repository says now: its metadata read from the folder, each under the keys that must have signed it.

use super::{place, sign::Holders};
use crate::ForgeError;
use refit_names::{Digest, TargetName};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};
use tough::schema::{
    Role, RoleType, Root, Signed, Snapshot, Target, Targets, Timestamp as TimestampRole,
};

/// The present metadata. A repository whose root alone is published has nothing else yet.
pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) root: Option<Signed<Root>>,
    pub(super) timestamp: Option<Signed<TimestampRole>>,
    pub(super) snapshot: Option<Signed<Snapshot>>,
    pub(super) targets: Option<Signed<Targets>>,
    /// Published delegated roles that the targets role still names.
    pub(super) delegated: BTreeMap<String, Signed<Targets>>,
}

impl State {
    /// Reads what is there. Expiry does not matter here: publishing is how it is renewed.
    ///
    /// Targets must be signed as a root asks for, because whoever signs the next ones builds on them. Snapshot and timestamp are made
    /// anew from what they name, so only their versions count.
    pub(super) fn read(dir: &Path) -> Result<Self, ForgeError> {
        let metadata = dir.join("metadata");
        let mut state = Self {
            dir: dir.to_owned(),
            root: newest_root(&metadata)?,
            timestamp: read_optional(&metadata.join("timestamp.json"))?,
            snapshot: None,
            targets: None,
            delegated: BTreeMap::new(),
        };
        let Some(timestamp) = &state.timestamp else { return Ok(state) };
        let broken = |file: &str, why: &str| broken(&metadata.join(file), why);
        let named = timestamp
            .signed
            .meta
            .get("snapshot.json")
            .ok_or_else(|| broken("timestamp.json", "it names no snapshot"))?;
        let file = format!("{}.snapshot.json", named.version);
        let snapshot: Signed<Snapshot> = read_role(&metadata.join(&file))?;
        let named = snapshot
            .signed
            .meta
            .get("targets.json")
            .ok_or_else(|| broken(&file, "it names no targets"))?;
        let targets_file = metadata.join(format!("{}.targets.json", named.version));
        let targets: Signed<Targets> = read_role(&targets_file)?;
        state.check_targets(&targets, &targets_file)?;
        for name in delegated_names(&targets.signed) {
            if let Some(named) = snapshot.signed.meta.get(&format!("{name}.json")) {
                let path = metadata.join(format!("{}.{name}.json", named.version));
                state.delegated.insert(name, read_role(&path)?);
            }
        }
        (state.snapshot, state.targets) = (Some(snapshot), Some(targets));
        Ok(state)
    }

    /// The newest root's keys, or those before it if the last root publication was interrupted.
    fn check_targets(&self, targets: &Signed<Targets>, file: &Path) -> Result<(), ForgeError> {
        let root = self.root()?;
        let newest = Holders::of_root(&root.signed, RoleType::Targets).check(targets);
        let version = root.signed.version.get();
        if newest.is_err() && version > 1 {
            let before: Signed<Root> = read_role(&self.root_file(version - 1))?;
            if Holders::of_root(&before.signed, RoleType::Targets).check(targets).is_ok() {
                return Ok(());
            }
        }
        newest.map_err(|error| broken(file, &error.to_string()))
    }

    pub(super) fn root(&self) -> Result<&Signed<Root>, ForgeError> {
        self.root.as_ref().ok_or_else(|| {
            broken(
                &self.root_file(1),
                "there is no such file: make a repository with `refit repo init`",
            )
        })
    }

    pub(super) fn targets(&self) -> Result<&Signed<Targets>, ForgeError> {
        self.targets.as_ref().ok_or_else(|| {
            broken(&self.dir.join("metadata/timestamp.json"), "nothing is published yet")
        })
    }

    pub(super) fn root_file(&self, version: u64) -> PathBuf {
        self.dir.join(format!("metadata/{version}.root.json"))
    }

    pub(super) fn targets_dir(&self) -> PathBuf {
        self.dir.join("targets")
    }

    /// The version that the snapshot names for a role; a delegation that was removed and comes back goes on from it.
    pub(super) fn published_version(&self, role: &str) -> u64 {
        let listed =
            |file: &str| self.snapshot.as_ref().and_then(|snapshot| snapshot.signed.meta.get(file));
        listed(&format!("{role}.json")).map_or(0, |meta| meta.version.get())
    }
}

/// The roles that a targets role delegates to.
pub(super) fn delegated_names(targets: &Targets) -> Vec<String> {
    let roles = targets.delegations.iter().flat_map(|delegations| &delegations.roles);
    roles.map(|role| role.name.clone()).collect()
}

/// One publisher at a time; the lock goes when the file is closed.
pub(super) fn lock(dir: &Path) -> Result<File, ForgeError> {
    let lock = File::open(dir).map_err(ForgeError::read(dir))?;
    lock.lock().map_err(ForgeError::write(dir))?;
    Ok(lock)
}

/// A target's bytes, verified; from the first of the folders that has it.
pub(super) fn read_target(
    folders: &[&Path],
    name: &TargetName,
    target: &Target,
) -> Result<Vec<u8>, ForgeError> {
    let digest = digest_of(target, name)?;
    let places: Vec<_> = folders.iter().map(|dir| place::path_of(dir, name, digest)).collect();
    let path = places.iter().find(|path| path.exists()).unwrap_or(&places[0]);
    let content = fs::read(path).map_err(ForgeError::read(path))?;
    if Digest::of(&content) != digest {
        return Err(broken(path, &format!("expected {digest}, found {}", Digest::of(&content))));
    }
    Ok(content)
}

pub(super) fn digest_of(target: &Target, name: &TargetName) -> Result<Digest, ForgeError> {
    Digest::parse(&hex::encode(&target.hashes.sha256))
        .map_err(|error| broken(Path::new(name.as_str()), &error.to_string()))
}

/// The root with the highest version in a chain without gaps.
fn newest_root(dir: &Path) -> Result<Option<Signed<Root>>, ForgeError> {
    let file = |version: u64| dir.join(format!("{version}.root.json"));
    let mut version = 0;
    while file(version + 1).exists() {
        version += 1;
    }
    if version == 0 {
        return Ok(None);
    }
    let root: Signed<Root> = read_role(&file(version))?;
    Holders::of_root(&root.signed, RoleType::Root)
        .check(&root)
        .map_err(|error| broken(&file(version), &error.to_string()))?;
    Ok(Some(root))
}

/// Metadata as the file has it; nothing is verified.
pub(super) fn read_role<T: Role + Serialize + DeserializeOwned>(
    path: &Path,
) -> Result<Signed<T>, ForgeError> {
    let content = fs::read(path).map_err(ForgeError::read(path))?;
    serde_json::from_slice(&content).map_err(|error| broken(path, &error.to_string()))
}

fn read_optional<T: Role + Serialize + DeserializeOwned>(
    path: &Path,
) -> Result<Option<Signed<T>>, ForgeError> {
    if path.exists() { read_role(path).map(Some) } else { Ok(None) }
}

pub(super) fn broken(path: &Path, why: &str) -> ForgeError {
    ForgeError::BrokenRepository { path: path.to_owned(), why: why.to_owned() }
}
