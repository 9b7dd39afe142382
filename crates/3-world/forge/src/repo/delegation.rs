//! Delegations: which keys speak for which paths, beside the targets role. A change of them is a change of the targets metadata.

use super::{
    catalog::Edit,
    root::StageReport,
    state::{State, lock},
};
use crate::{ForgeError, key::PublicKey};
use jiff::{SignedDuration, Timestamp};
use refit_packs::pattern;
use serde::Serialize;
use std::{collections::BTreeSet, num::NonZeroU64, path::Path};
use tough::schema::{DelegatedRole, Delegations, PathPattern, PathSet, Targets};

/// The delegation whose targets are runbooks.
pub const RUNBOOKS: &str = "runbooks";
/// As many as anybody can look through; clients visit 32 in one search.
const ROLES_MAX: usize = 1024;

/// Who may speak for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationOptions {
    /// The vendor's name, or `runbooks`.
    pub name: String,
    /// The vendor's keys.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u64,
    /// What the vendor may publish. `FOLDER/*` means everything below the folder.
    pub paths: Vec<String>,
    /// Whether nobody behind this one is asked for these paths.
    pub terminating: bool,
}

/// A delegation as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelegationEntry {
    /// The vendor's name.
    pub name: String,
    /// Key ids.
    pub keys: Vec<String>,
    /// How many must sign.
    pub threshold: u64,
    /// Path patterns.
    pub paths: Vec<String>,
    /// Whether nobody behind this one is asked.
    pub terminating: bool,
    /// The version of what the vendor has published; 0 before the first time.
    pub version: u64,
    /// Until when it is believed.
    pub expires: Option<String>,
    /// How many targets it has.
    pub targets: u64,
}

/// Where a vendor's own catalogue is.
#[must_use]
pub fn catalog_target(role: &str) -> String {
    format!("vendors/{role}/catalog.json")
}

/// Stages the targets metadata with one delegation more, or with another text of one that is there.
///
/// # Errors
/// [`ForgeError::Delegation`] for a name, path or threshold that makes no sense.
pub fn add(
    dir: &Path,
    options: &DelegationOptions,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StageReport, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    check_name(&options.name)?;
    let wrong = |why: String| ForgeError::Delegation { name: options.name.clone(), why };
    let keys = options.keys.len() as u64;
    let threshold = NonZeroU64::new(options.threshold)
        .filter(|threshold| threshold.get() <= keys)
        .ok_or_else(|| ForgeError::Threshold {
            role: options.name.clone(),
            threshold: options.threshold,
            keys,
        })?;
    let patterns = patterns(options)?;
    let mut edit = Edit::begin(&state, "targets", expires, now)?;
    let delegations = edit.targets_mut().delegations.get_or_insert_default();
    let mut ids = Vec::new();
    for key in &options.keys {
        let key = key.tuf_key();
        let id = key.key_id().map_err(|error| wrong(error.to_string()))?;
        delegations.keys.insert(id.clone(), key);
        if ids.contains(&id) {
            return Err(wrong(format!("key {} is given twice", hex::encode(&id))));
        }
        ids.push(id);
    }
    let role = DelegatedRole {
        name: options.name.clone(),
        keyids: ids,
        threshold,
        paths: PathSet::Paths(patterns),
        terminating: options.terminating,
        targets: None,
    };
    match delegations.roles.iter().position(|there| there.name == options.name) {
        Some(at) => delegations.roles[at] = role,
        None if delegations.roles.len() >= ROLES_MAX => {
            return Err(wrong(format!("there are {ROLES_MAX} delegations already")));
        }
        None => delegations.roles.push(role),
    }
    drop_unused_keys(delegations);
    edit.finish(&state)
}

/// Stages the targets metadata without a delegation. What the vendor published is believed no more once they are visible.
///
/// # Errors
/// [`ForgeError::NoDelegation`].
pub fn remove(
    dir: &Path,
    name: &str,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<StageReport, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    let mut edit = Edit::begin(&state, "targets", expires, now)?;
    let delegations = edit.targets_mut().delegations.get_or_insert_default();
    let before = delegations.roles.len();
    delegations.roles.retain(|role| role.name != name);
    if delegations.roles.len() == before {
        return Err(ForgeError::NoDelegation { role: name.to_owned() });
    }
    drop_unused_keys(delegations);
    edit.finish(&state)
}

/// The delegations that are published.
///
/// # Errors
/// [`ForgeError::BrokenRepository`].
pub fn list(dir: &Path) -> Result<Vec<DelegationEntry>, ForgeError> {
    let state = State::read(dir)?;
    let roles = state.targets()?.signed.delegations.iter().flat_map(|there| &there.roles);
    let entry = |role: &DelegatedRole| {
        let published = state.delegated.get(&role.name).map(|there| &there.signed);
        DelegationEntry {
            name: role.name.clone(),
            keys: role.keyids.iter().map(hex::encode).collect(),
            threshold: role.threshold.get(),
            paths: paths_of(role),
            terminating: role.terminating,
            version: published.map_or(0, |there| there.version.get()),
            expires: published.map(|there| there.expires.to_string()),
            targets: published.map_or(0, |there| there.targets.len() as u64),
        }
    };
    Ok(roles.map(entry).collect())
}

/// Refuses targets outside of what the role may publish.
pub(super) fn check_paths(
    delegator: &Targets,
    name: &str,
    targets: &Targets,
) -> Result<(), ForgeError> {
    let role = delegator
        .delegations
        .iter()
        .flat_map(|delegations| &delegations.roles)
        .find(|role| role.name == name)
        .ok_or_else(|| ForgeError::NoDelegation { role: name.to_owned() })?;
    let paths = paths_of(role);
    let outside = targets
        .targets
        .keys()
        .map(tough::TargetName::raw)
        .filter(|target| !paths.iter().any(|path| pattern::path_matches(path, target)))
        .min();
    match outside {
        Some(target) => Err(ForgeError::NotDelegated {
            role: name.to_owned(),
            target: target.to_owned(),
            paths: paths.join(", "),
        }),
        None => Ok(()),
    }
}

fn paths_of(role: &DelegatedRole) -> Vec<String> {
    match &role.paths {
        PathSet::Paths(patterns) => {
            patterns.iter().map(|pattern| pattern.value().to_owned()).collect()
        }
        PathSet::PathHashPrefixes(prefixes) => {
            prefixes.iter().map(|prefix| format!("sha256:{}…", prefix.value())).collect()
        }
    }
}

/// What the operator asked for, with the vendor's own catalogue.
fn patterns(options: &DelegationOptions) -> Result<Vec<PathPattern>, ForgeError> {
    let wrong = |why: String| ForgeError::Delegation { name: options.name.clone(), why };
    if options.paths.is_empty() {
        return Err(wrong("it has no path that it may publish".to_owned()));
    }
    let mut all = BTreeSet::new();
    for path in &options.paths {
        let bad = path.is_empty()
            || path.starts_with('/')
            || path.chars().any(char::is_control)
            || path.split('/').any(|part| matches!(part, "" | "." | ".."));
        if bad {
            return Err(wrong(format!("path `{path}` is no path of targets")));
        }
        all.extend(pattern::everything_below(path));
    }
    if options.name != RUNBOOKS {
        all.insert(catalog_target(&options.name));
    }
    let parse = |path: String| PathPattern::new(path).map_err(|error| wrong(error.to_string()));
    all.into_iter().map(parse).collect()
}

/// The name becomes a file's name, and must not be mistaken for a top-level role.
fn check_name(name: &str) -> Result<(), ForgeError> {
    let wrong = |why: &str| ForgeError::Delegation { name: name.to_owned(), why: why.to_owned() };
    if matches!(name, "root" | "targets" | "snapshot" | "timestamp" | "mirrors") {
        return Err(wrong("this is the name of a top-level role"));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('-') {
        return Err(wrong("expected 1 to 64 lower case letters, digits and `-`"));
    }
    Ok(())
}

fn drop_unused_keys(delegations: &mut Delegations) {
    let named: Vec<_> = delegations.roles.iter().flat_map(|role| role.keyids.clone()).collect();
    delegations.keys.retain(|id, _| named.contains(id));
}
