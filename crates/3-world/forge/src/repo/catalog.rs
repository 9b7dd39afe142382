//! The next targets metadata of one role, with its catalogue: what is added, who signs it, when it becomes visible.

use super::{
    delegation::{self, RUNBOOKS, catalog_target},
    online::{self, Next, SPEC_VERSION, Visible, whole_seconds},
    place,
    root::{Needed, StageReport},
    sign::Holders,
    staged::{self, Staged, staged_folder},
    state::{self, State, broken, lock},
};
use crate::{ForgeError, key::Keyring};
use jiff::{SignedDuration, Timestamp};
use refit_names::{Digest, TargetName};
use refit_packs::catalog::{CATALOG_FORMAT, CATALOG_TARGET, Catalog};
use std::{
    collections::HashMap,
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
};
use tough::schema::{Hashes, RoleType, Root, Target, Targets};

/// The top-level targets role.
pub const TARGETS: &str = "targets";

/// An edit of one role's targets.
pub(super) struct Edit {
    pub(super) role: String,
    pub(super) staged: Staged<Targets>,
}

impl Edit {
    /// Goes on from what waits, or else from what is published.
    pub(super) fn begin(
        state: &State,
        role: &str,
        expires: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, ForgeError> {
        let published = state.published_version(role);
        let folder = staged_folder(&state.dir, role);
        let next = NonZeroU64::MIN.saturating_add(published);
        let expires = whole_seconds(now + expires);
        let mut targets = match Staged::<Targets>::find(&folder)? {
            Some(staged) => {
                staged.check_version(role, published)?;
                staged.metadata.signed
            }
            None => {
                let present = if role == TARGETS {
                    state.targets.as_ref()
                } else {
                    state.delegated.get(role)
                };
                let mut fresh = Targets::new(SPEC_VERSION.to_owned(), next, expires);
                fresh.delegations = None;
                present.map_or(fresh, |present| present.signed.clone())
            }
        };
        (targets.version, targets.expires) = (next, expires);
        Ok(Self { role: role.to_owned(), staged: Staged::new(folder, targets) })
    }

    pub(super) fn targets_mut(&mut self) -> &mut Targets {
        &mut self.staged.metadata.signed
    }

    /// Adds a target that was placed.
    pub(super) fn add(
        &mut self,
        name: &TargetName,
        placed: place::Placed,
    ) -> Result<(), ForgeError> {
        let hashes =
            Hashes { sha256: placed.digest.as_bytes().to_vec().into(), _extra: HashMap::new() };
        let target = Target {
            length: placed.length,
            hashes,
            custom: HashMap::new(),
            _extra: HashMap::new(),
        };
        let key = target_key(name)?;
        self.targets_mut().add_target(key, target);
        Ok(())
    }

    /// The role's catalogue as it is so far; empty before the first time.
    pub(super) fn catalog(&self, state: &State) -> Result<Catalog, ForgeError> {
        let empty = Catalog { format: CATALOG_FORMAT.to_owned(), packs: Vec::new() };
        let Some(name) = self.catalog_name()? else { return Ok(empty) };
        let Some(target) = self.staged.metadata.signed.targets.get(&target_key(&name)?) else {
            return Ok(empty);
        };
        let folders = [self.staged.targets_dir(), state.targets_dir()];
        let text = state::read_target(&[&folders[0], &folders[1]], &name, target)?;
        serde_json::from_slice(&text)
            .map_err(|error| broken(Path::new(name.as_str()), &error.to_string()))
    }

    /// Puts a catalogue in the place of the one before.
    pub(super) fn set_catalog(
        &mut self,
        mut catalog: Catalog,
        targets_dir: &Path,
    ) -> Result<(), ForgeError> {
        let Some(name) = self.catalog_name()? else { return Ok(()) };
        catalog.packs.sort_by(|a, b| (&a.product, &a.to).cmp(&(&b.product, &b.to)));
        let mut text = serde_json::to_vec_pretty(&catalog)
            .map_err(|error| ForgeError::Metadata { why: error.to_string() })?;
        text.push(b'\n');
        let placed = place::bytes(targets_dir, &name, &text)?;
        self.add(&name, placed)
    }

    fn catalog_name(&self) -> Result<Option<TargetName>, ForgeError> {
        let name = match self.role.as_str() {
            TARGETS => CATALOG_TARGET.to_owned(),
            RUNBOOKS => return Ok(None),
            vendor => catalog_target(vendor),
        };
        TargetName::parse(name)
            .map(Some)
            .map_err(|error| ForgeError::Metadata { why: error.to_string() })
    }

    /// Leaves the edit for its signers.
    pub(super) fn finish(self, state: &State) -> Result<StageReport, ForgeError> {
        self.check_paths(state)?;
        self.staged.write()?;
        report(state, &self.role, &self.staged)
    }

    pub(super) fn check_paths(&self, state: &State) -> Result<(), ForgeError> {
        if self.role == TARGETS {
            return Ok(());
        }
        let delegator = delegator(state)?;
        delegation::check_paths(&delegator, &self.role, &self.staged.metadata.signed)
    }

    /// Signs and makes it visible in one go.
    pub(super) fn publish(
        mut self,
        state: &State,
        keys: &Keyring,
        expires: Timestamp,
    ) -> Result<Visible, ForgeError> {
        self.check_paths(state)?;
        let holders = holders(state, &self.role)?;
        let refs: Vec<&Holders> = holders.iter().collect();
        super::sign::sign(&mut self.staged.metadata, keys, &refs)?;
        make_visible(state, &self.role, &self.staged, keys, expires)
    }
}

/// Signs what waits for a role, in the repository's own `staged` folder or in a copy of it.
///
/// # Errors
/// [`ForgeError::NothingStaged`], [`ForgeError::ForeignKey`].
pub fn sign(
    dir: &Path,
    role: &str,
    folder: Option<&Path>,
    keys: &Keyring,
) -> Result<StageReport, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let folder = folder.map_or_else(|| staged_folder(dir, role), Path::to_owned);
    let mut staged = Staged::<Targets>::read(&folder, role)?;
    staged.check_version(role, state.published_version(role))?;
    let holders = holders(&state, role)?;
    staged.sign(keys, &holders.iter().collect::<Vec<_>>())?;
    staged.write()?;
    report(&state, role, &staged)
}

/// Makes what waits for a role visible: enough signatures, only paths that the role may publish, every target at hand.
///
/// # Errors
/// [`ForgeError::BelowThreshold`], [`ForgeError::NotDelegated`], [`ForgeError::Stale`]: nothing is changed then.
pub fn publish_staged(
    dir: &Path,
    role: &str,
    folder: Option<&Path>,
    copies: &[PathBuf],
    keys: &Keyring,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<Visible, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let folder = folder.map_or_else(|| staged_folder(dir, role), Path::to_owned);
    let published = state.published_version(role);
    let staged = Staged::<Targets>::complete(&folder, role, published, copies)?;
    make_visible(&state, role, &staged, keys, whole_seconds(now + expires))
}

fn make_visible(
    state: &State,
    role: &str,
    staged: &Staged<Targets>,
    keys: &Keyring,
    expires: Timestamp,
) -> Result<Visible, ForgeError> {
    let mut next = Next::default();
    let mut taken = vec![staged.dir.clone()];
    if role == TARGETS {
        next.targets = Some(staged.metadata.clone());
        // A delegation whose keys were exchanged becomes visible together with what its new keys signed.
        for name in state::delegated_names(&staged.metadata.signed) {
            let Some(holders) = Holders::of_delegation(&staged.metadata.signed, &name) else {
                continue;
            };
            let fits = state.delegated.get(&name).map(|there| holders.check(there).is_ok());
            let waiting = Staged::<Targets>::find(&staged_folder(&state.dir, &name))?;
            let returning = fits.is_none() && state.published_version(&name) > 0;
            if let Some(waiting) = waiting.filter(|_| fits == Some(false) || returning) {
                waiting.check_version(&name, state.published_version(&name))?;
                install_targets(state, &waiting, Some((&staged.metadata.signed, &name)))?;
                next.delegated.insert(name, waiting.metadata);
                taken.push(waiting.dir);
            } else if returning {
                return Err(ForgeError::BelowThreshold {
                    role: name,
                    threshold: holders.threshold,
                    found: 0,
                });
            }
        }
        check_enough(state, &staged.metadata)?;
        install_targets(state, staged, None)?;
    } else {
        let published = &state.targets()?.signed;
        let holders = Holders::of_delegation(published, role)
            .ok_or_else(|| ForgeError::NoDelegation { role: role.to_owned() })?;
        holders.check(&staged.metadata)?;
        install_targets(state, staged, Some((published, role)))?;
        next.delegated.insert(role.to_owned(), staged.metadata.clone());
    }
    let visible = online::put_online(state, next, keys, expires)?;
    for folder in taken.into_iter().filter(|folder| folder.exists()) {
        staged::remove(&folder)?;
    }
    Ok(visible)
}

fn check_enough(
    state: &State,
    metadata: &tough::schema::Signed<Targets>,
) -> Result<(), ForgeError> {
    Holders::of_root(&state.root()?.signed, RoleType::Targets).check(metadata)
}

/// Moves the targets that come with metadata to their place, and makes sure that every new one is at hand with its digest.
pub(super) fn install_targets(
    state: &State,
    staged: &Staged<Targets>,
    delegation: Option<(&Targets, &str)>,
) -> Result<(), ForgeError> {
    if let Some((delegator, role)) = delegation {
        delegation::check_paths(delegator, role, &staged.metadata.signed)?;
    }
    let mut moves = Vec::new();
    for (key, target) in &staged.metadata.signed.targets {
        let name = TargetName::parse(key.raw())
            .map_err(|error| ForgeError::Metadata { why: error.to_string() })?;
        let digest = state::digest_of(target, &name)?;
        let to = place::path_of(&state.targets_dir(), &name, digest);
        if fs::symlink_metadata(&to).is_ok_and(|there| there.len() == target.length) {
            continue;
        }
        let from = place::path_of(&staged.targets_dir(), &name, digest);
        place::check_digest(&from, digest, target.length)?;
        moves.push((from, to));
    }
    for (from, to) in moves {
        place::copy(&from, &to)?;
    }
    Ok(())
}

/// The targets metadata that say what is delegated: those that wait, or those that are published.
fn delegator(state: &State) -> Result<Targets, ForgeError> {
    let waiting = Staged::<Targets>::find(&staged_folder(&state.dir, TARGETS))?;
    match waiting {
        Some(waiting) => Ok(waiting.metadata.signed),
        None => Ok(state.targets()?.signed.clone()),
    }
}

/// Whose signatures count: by what is published, and by a root or delegation that waits.
fn holders(state: &State, role: &str) -> Result<Vec<Holders>, ForgeError> {
    if role != TARGETS {
        let waiting = Holders::of_delegation(&delegator(state)?, role);
        let present =
            state.targets.as_ref().and_then(|there| Holders::of_delegation(&there.signed, role));
        let holders: Vec<_> = [waiting, present].into_iter().flatten().collect();
        if holders.is_empty() {
            return Err(ForgeError::NoDelegation { role: role.to_owned() });
        }
        return Ok(holders);
    }
    let waiting = Staged::<Root>::find(&staged_folder(&state.dir, "root"))?;
    let waiting = waiting.map(|root| Holders::of_root(&root.metadata.signed, RoleType::Targets));
    let present = Holders::of_root(&state.root()?.signed, RoleType::Targets);
    Ok([waiting, Some(present)].into_iter().flatten().collect())
}

fn report(state: &State, role: &str, staged: &Staged<Targets>) -> Result<StageReport, ForgeError> {
    let holders = holders(state, role)?;
    let newest = &holders[0];
    let signed: Vec<_> = newest.valid(&staged.metadata).into_iter().collect();
    let needed =
        Needed { of: role.to_owned(), found: signed.len() as u64, threshold: newest.threshold };
    Ok(StageReport {
        folder: staged.dir.clone(),
        version: staged.metadata.signed.version.get(),
        signed,
        needed: vec![needed],
    })
}

fn target_key(name: &TargetName) -> Result<tough::TargetName, ForgeError> {
    tough::TargetName::new(name.as_str())
        .map_err(|error| ForgeError::Metadata { why: error.to_string() })
}

/// Changes a role's catalogue and publishes it: how a pack is withdrawn.
///
/// # Errors
/// What `change` says; [`ForgeError::BelowThreshold`].
pub fn change_catalog(
    dir: &Path,
    role: &str,
    keys: &Keyring,
    change: impl FnOnce(&mut Catalog) -> Result<(), ForgeError>,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<Visible, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, role, super::lasting(expires), now)?;
    let mut catalog = edit.catalog(&state)?;
    change(&mut catalog)?;
    edit.set_catalog(catalog, &state.targets_dir())?;
    edit.publish(&state, keys, whole_seconds(now + expires))
}

/// Changes a role's catalogue and leaves it for its signers.
///
/// # Errors
/// What `change` says.
pub fn stage_catalog(
    dir: &Path,
    role: &str,
    change: impl FnOnce(&mut Catalog) -> Result<(), ForgeError>,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StageReport, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, role, expires, now)?;
    let mut catalog = edit.catalog(&state)?;
    change(&mut catalog)?;
    let folder = edit.staged.targets_dir();
    edit.set_catalog(catalog, &folder)?;
    edit.finish(&state)
}

/// What is published under a role's name: the digest of a target, if it is there.
pub(super) fn digest_in(edit: &Edit, name: &TargetName) -> Result<Option<Digest>, ForgeError> {
    let target = edit.staged.metadata.signed.targets.get(&target_key(name)?);
    target.map(|target| state::digest_of(target, name)).transpose()
}
