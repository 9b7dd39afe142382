//! Making the next state visible: what the offline roles signed is checked against their thresholds, then snapshot and timestamp are
//! made and signed with the online keys, and the timestamp is replaced last.

use super::{
    place,
    sign::{self, Holders},
    state::{State, delegated_names},
};
use crate::{ForgeError, key::Keyring};
use jiff::Timestamp;
use refit_names::Digest;
use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU64,
};
use tough::schema::{
    Hashes, Metafile, Role, RoleType, Root, Signed, Snapshot, Targets, Timestamp as TimestampRole,
};

/// The version of the TUF specification that the metadata follows.
pub(super) const SPEC_VERSION: &str = "1.0.0";

/// What changes. Everything else stays as it is published.
#[derive(Default)]
pub(super) struct Next {
    pub(super) root: Option<Signed<Root>>,
    pub(super) targets: Option<Signed<Targets>>,
    pub(super) delegated: BTreeMap<String, Signed<Targets>>,
}

/// What clients see afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visible {
    /// The version of the timestamp.
    pub version: u64,
    /// Until when it is believed.
    pub expires: Timestamp,
}

/// Publishes `next`. Refuses, with nothing changed, whatever would not be signed by enough keys.
pub(super) fn put_online(
    state: &State,
    next: Next,
    keys: &Keyring,
    expires: Timestamp,
) -> Result<Visible, ForgeError> {
    let old_root = state.root.as_ref();
    let root = match &next.root {
        Some(root) => {
            check_root(old_root, root)?;
            root
        }
        None => state.root()?,
    };
    let (changed, next_root) = (next.targets.is_some(), next.root.is_some());
    let targets = next.targets.as_ref().or(state.targets.as_ref());
    let Some(targets) = targets else {
        // A root alone: the ceremony's first half.
        let file = state.root_file(root.signed.version.get());
        place::content(&file, &sign::to_file(root)?)?;
        return Ok(Visible { version: 0, expires: root.signed.expires });
    };
    Holders::of_root(&root.signed, RoleType::Targets).check(targets)?;
    let mut delegated = state.delegated.clone();
    let named = delegated_names(&targets.signed);
    delegated.retain(|name, _| named.contains(name));
    delegated.extend(next.delegated.clone());
    for (name, role) in &delegated {
        Holders::of_delegation(&targets.signed, name)
            .ok_or_else(|| ForgeError::NoDelegation { role: name.clone() })?
            .check(role)?;
    }

    let snapshot = next_snapshot(state, targets, &next, changed, expires)?;
    let roots: Vec<&Root> =
        [Some(root), old_root].into_iter().flatten().map(|root| &root.signed).collect();
    let snapshot = signed_online(snapshot, &roots, RoleType::Snapshot, keys)?;
    let timestamp = next_timestamp(state, &sign::to_file(&snapshot)?, &snapshot, expires)?;
    let timestamp = signed_online(timestamp, &roots, RoleType::Timestamp, keys)?;

    let dir = state.dir.join("metadata");
    let versioned = |name: &str, version: NonZeroU64| dir.join(format!("{version}.{name}.json"));
    for (name, role) in &next.delegated {
        place::content(&versioned(name, role.signed.version), &sign::to_file(role)?)?;
    }
    if changed {
        place::content(&versioned("targets", targets.signed.version), &sign::to_file(targets)?)?;
    }
    place::content(&versioned("snapshot", snapshot.signed.version), &sign::to_file(&snapshot)?)?;
    let (visible, content) = (dir.join("timestamp.json"), sign::to_file(&timestamp)?);
    let root_file = state.root_file(root.signed.version.get());
    // Clients that see the new timestamp under the old root must be able to believe it; else the root goes first, and for a moment the
    // old timestamp is refused.
    let both = old_root.is_some_and(|old| accepts(&old.signed, &timestamp, &snapshot, targets));
    if next_root && !both {
        place::content(&root_file, &sign::to_file(root)?)?;
    }
    place::content(&visible, &content)?;
    if next_root && both {
        place::content(&root_file, &sign::to_file(root)?)?;
    }
    Ok(Visible { version: timestamp.signed.version.get(), expires: timestamp.signed.expires })
}

/// A root needs the old root's threshold and its own, and follows its version.
fn check_root(old: Option<&Signed<Root>>, new: &Signed<Root>) -> Result<(), ForgeError> {
    let mut expected = 1;
    if let Some(old) = old {
        Holders::of_root(&old.signed, RoleType::Root).check(new)?;
        expected = old.signed.version.get() + 1;
    }
    Holders::of_root(&new.signed, RoleType::Root).check(new)?;
    let found = new.signed.version.get();
    if found != expected {
        return Err(ForgeError::Stale { role: "root".to_owned(), expected, found });
    }
    Ok(())
}

fn accepts(
    root: &Root,
    timestamp: &Signed<TimestampRole>,
    snapshot: &Signed<Snapshot>,
    targets: &Signed<Targets>,
) -> bool {
    Holders::of_root(root, RoleType::Timestamp).check(timestamp).is_ok()
        && Holders::of_root(root, RoleType::Snapshot).check(snapshot).is_ok()
        && Holders::of_root(root, RoleType::Targets).check(targets).is_ok()
}

fn next_snapshot(
    state: &State,
    targets: &Signed<Targets>,
    next: &Next,
    changed: bool,
    expires: Timestamp,
) -> Result<Snapshot, ForgeError> {
    let old = state.snapshot.as_ref().map(|old| &old.signed);
    let mut snapshot =
        Snapshot::new(SPEC_VERSION.to_owned(), after(old.map(|old| old.version)), expires);
    // What was listed once stays listed: clients refuse a role that disappears.
    snapshot.meta = old.map(|old| old.meta.clone()).unwrap_or_default();
    if changed || snapshot.meta.is_empty() {
        let file = sign::to_file(targets)?;
        snapshot.meta.insert("targets.json".to_owned(), metafile(&file, targets.signed.version));
    }
    for (name, role) in &next.delegated {
        let file = sign::to_file(role)?;
        snapshot.meta.insert(format!("{name}.json"), metafile(&file, role.signed.version));
    }
    Ok(snapshot)
}

fn next_timestamp(
    state: &State,
    snapshot_file: &[u8],
    snapshot: &Signed<Snapshot>,
    expires: Timestamp,
) -> Result<TimestampRole, ForgeError> {
    let old = state.timestamp.as_ref().map(|old| old.signed.version);
    let mut timestamp = TimestampRole::new(SPEC_VERSION.to_owned(), after(old), expires);
    timestamp
        .meta
        .insert("snapshot.json".to_owned(), metafile(snapshot_file, snapshot.signed.version));
    Ok(timestamp)
}

/// Signs for every root that clients may hold at this moment; the newest must be content.
fn signed_online<T: Role>(
    role: T,
    roots: &[&Root],
    kind: RoleType,
    keys: &Keyring,
) -> Result<Signed<T>, ForgeError> {
    let holders: Vec<Holders> = roots.iter().map(|root| Holders::of_root(root, kind)).collect();
    let mut signed = sign::unsigned(role);
    sign::sign(&mut signed, keys, &holders.iter().collect::<Vec<_>>())?;
    if let Some(newest) = holders.first() {
        newest.check(&signed)?;
    }
    Ok(signed)
}

/// What comes after a version, or the first.
pub(super) fn after(version: Option<NonZeroU64>) -> NonZeroU64 {
    version.map_or(NonZeroU64::MIN, |version| version.saturating_add(1))
}

fn metafile(content: &[u8], version: NonZeroU64) -> Metafile {
    let hashes =
        Hashes { sha256: Digest::of(content).as_bytes().to_vec().into(), _extra: HashMap::new() };
    Metafile {
        length: Some(content.len() as u64),
        hashes: Some(hashes),
        version,
        _extra: HashMap::new(),
    }
}

/// Other readers of the format know no fractions of a second.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
