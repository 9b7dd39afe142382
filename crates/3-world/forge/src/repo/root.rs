//! The root ceremony: edit, sign in several places, publish. Old and new thresholds both sign.

use super::{
    online::{self, Next, Visible, after, whole_seconds},
    sign::{Holders, role_keys},
    staged::{self, Staged},
    state::{State, lock},
};
use crate::{
    ForgeError,
    key::{Keyring, PublicKey},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroU64,
    path::{Path, PathBuf},
};
use tough::schema::{RoleType, Root, Targets};

/// A top-level role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopRole {
    /// Names the keys of all others; offline.
    Root,
    /// Says what is published; offline.
    Targets,
    /// Says which metadata belong together; online.
    Snapshot,
    /// Says what is newest; online.
    Timestamp,
}

impl TopRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// Its name in metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == text)
    }

    pub(super) const fn kind(self) -> RoleType {
        match self {
            Self::Root => RoleType::Root,
            Self::Targets => RoleType::Targets,
            Self::Snapshot => RoleType::Snapshot,
            Self::Timestamp => RoleType::Timestamp,
        }
    }
}

/// One change of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootChange {
    /// A key more for a role.
    Add(TopRole, PublicKey),
    /// A key less, by the beginning of its id or of its 64 digits.
    Remove(TopRole, String),
    /// These keys instead of all that the role has.
    Replace(TopRole, Vec<PublicKey>),
    /// How many must sign.
    Threshold(TopRole, u64),
}

/// What waits for signatures.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageReport {
    /// The folder that travels between the holders of keys.
    pub folder: PathBuf,
    /// The version that the metadata will have.
    pub version: u64,
    /// Key ids that have signed.
    pub signed: Vec<String>,
    /// Whose signatures are needed, each with what is there and the threshold.
    pub needed: Vec<Needed>,
}

/// How far a set of keys is from its threshold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Needed {
    /// Of which keys: `present root`, `next root`, or a role.
    pub of: String,
    /// Signatures that are there.
    pub found: u64,
    /// Signatures that must be there.
    pub threshold: u64,
}

/// Prepares the next root. Edits what waits already, if it does; signatures that it had are gone then.
///
/// # Errors
/// [`ForgeError::Threshold`] when a role could not reach its threshold, [`ForgeError::NoSuchKey`].
pub fn edit(
    dir: &Path,
    changes: &[RootChange],
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StageReport, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let present = &state.root()?.signed;
    let folder = staged::staged_folder(dir, "root");
    let mut next = match Staged::<Root>::find(&folder)? {
        Some(staged) => {
            staged.check_version("root", present.version.get())?;
            staged.metadata.signed
        }
        None => present.clone(),
    };
    next.version = after(Some(present.version));
    next.expires = whole_seconds(now + expires);
    for change in changes {
        apply(&mut next, change)?;
    }
    finish(&mut next)?;
    let staged = Staged::new(folder, next);
    staged.write()?;
    Ok(report(&state, &staged))
}

/// Adds the signatures of every key of the ring that the present or the next root names for the root.
///
/// # Errors
/// [`ForgeError::NothingStaged`], [`ForgeError::ForeignKey`].
pub fn sign(dir: &Path, keys: &Keyring) -> Result<StageReport, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let mut staged = Staged::<Root>::read(&staged::staged_folder(dir, "root"), "root")?;
    staged.check_version("root", version_of(&state))?;
    let next = Holders::of_root(&staged.metadata.signed, RoleType::Root);
    let present = state.root.as_ref().map(|root| Holders::of_root(&root.signed, RoleType::Root));
    let holders: Vec<_> = [Some(&next), present.as_ref()].into_iter().flatten().collect();
    staged.sign(keys, &holders)?;
    staged.write()?;
    Ok(report(&state, &staged))
}

/// Makes the next root visible, with everything that it makes necessary: snapshot and timestamp by the online keys in `keys`, and the
/// targets that wait, when the root exchanges their keys.
///
/// # Errors
/// [`ForgeError::BelowThreshold`] when either root's keys, or a role under its new keys, lack signatures: nothing is changed then.
pub fn publish(
    dir: &Path,
    copies: &[PathBuf],
    keys: &Keyring,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<Visible, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let folder = staged::staged_folder(dir, "root");
    let staged = Staged::<Root>::complete(&folder, "root", version_of(&state), copies)?;
    let targets = Staged::<Targets>::find(&staged::staged_folder(dir, "targets"))?;
    let needs_targets = state.targets.as_ref().is_some_and(|targets| {
        let holders = Holders::of_root(&staged.metadata.signed, RoleType::Targets);
        holders.check(targets).is_err()
    });
    let mut next = Next { root: Some(staged.metadata.clone()), ..Next::default() };
    let taken = targets.filter(|_| needs_targets);
    if let Some(targets) = &taken {
        targets.check_version("targets", state.published_version("targets"))?;
        super::catalog::install_targets(&state, targets, None)?;
        next.targets = Some(targets.metadata.clone());
    }
    let visible = online::put_online(&state, next, keys, whole_seconds(now + expires))?;
    staged::remove(&staged.dir)?;
    if let Some(targets) = taken {
        staged::remove(&targets.dir)?;
    }
    Ok(visible)
}

/// A first root of these keys, which waits for the signatures of its holders.
pub(super) fn stage_first(
    dir: &Path,
    keys: &BTreeMap<TopRole, (Vec<PublicKey>, u64)>,
    expires: Timestamp,
) -> Result<Staged<Root>, ForgeError> {
    let mut root = Root {
        spec_version: online::SPEC_VERSION.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: whole_seconds(expires),
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    for (role, (keys, threshold)) in keys {
        apply(&mut root, &RootChange::Replace(*role, keys.clone()))?;
        apply(&mut root, &RootChange::Threshold(*role, *threshold))?;
    }
    finish(&mut root)?;
    Ok(Staged::new(staged::staged_folder(dir, "root"), root))
}

fn version_of(state: &State) -> u64 {
    state.root.as_ref().map_or(0, |root| root.signed.version.get())
}

fn report(state: &State, staged: &Staged<Root>) -> StageReport {
    let of = |root: &Root, name: &str| {
        let holders = Holders::of_root(root, RoleType::Root);
        let valid = holders.valid(&staged.metadata);
        (
            valid.clone(),
            Needed { of: name.to_owned(), found: valid.len() as u64, threshold: holders.threshold },
        )
    };
    let (mut signed, next) = of(&staged.metadata.signed, "next root");
    let mut needed = vec![next];
    if let Some(present) = &state.root {
        let (by, present) = of(&present.signed, "present root");
        signed.extend(by);
        needed.insert(0, present);
    }
    StageReport {
        folder: staged.dir.clone(),
        version: staged.metadata.signed.version.get(),
        signed: signed.into_iter().collect(),
        needed,
    }
}

fn apply(root: &mut Root, change: &RootChange) -> Result<(), ForgeError> {
    let role = match change {
        RootChange::Add(role, _)
        | RootChange::Remove(role, _)
        | RootChange::Replace(role, _)
        | RootChange::Threshold(role, _) => *role,
    };
    let mut add = Vec::new();
    let holders =
        root.roles.entry(role.kind()).or_insert_with(|| role_keys(Vec::new(), NonZeroU64::MIN));
    match change {
        RootChange::Add(_, key) => add.push(*key),
        RootChange::Remove(_, wanted) => {
            let before = holders.keyids.len();
            let keys = &root.keys;
            holders.keyids.retain(|id| {
                let public = keys.get(id).map(PublicKey::of_tuf).unwrap_or_default();
                !(hex::encode(id).starts_with(wanted) || public.starts_with(wanted))
            });
            if holders.keyids.len() + 1 != before {
                let found = before - holders.keyids.len();
                return Err(ForgeError::NoSuchKey {
                    role: role.name().to_owned(),
                    key: wanted.clone(),
                    found,
                });
            }
        }
        RootChange::Replace(_, keys) => {
            holders.keyids.clear();
            add.extend(keys);
        }
        RootChange::Threshold(_, threshold) => {
            holders.threshold = NonZeroU64::new(*threshold).ok_or(ForgeError::Threshold {
                role: role.name().to_owned(),
                threshold: 0,
                keys: holders.keyids.len() as u64,
            })?;
        }
    }
    for key in add {
        let key = key.tuf_key();
        let id = key.key_id().map_err(|error| ForgeError::Metadata { why: error.to_string() })?;
        root.keys.insert(id.clone(), key);
        if !holders.keyids.contains(&id) {
            holders.keyids.push(id);
        }
    }
    Ok(())
}

/// Drops keys that nobody names, and refuses thresholds that cannot be reached.
fn finish(root: &mut Root) -> Result<(), ForgeError> {
    let named: HashSet<_> = root.roles.values().flat_map(|role| role.keyids.clone()).collect();
    root.keys.retain(|id, _| named.contains(id));
    for role in TopRole::ALL {
        let (keys, threshold) = root
            .roles
            .get(&role.kind())
            .map_or((0, 1), |there| (there.keyids.len() as u64, there.threshold.get()));
        if threshold > keys {
            return Err(ForgeError::Threshold { role: role.name().to_owned(), threshold, keys });
        }
    }
    Ok(())
}
