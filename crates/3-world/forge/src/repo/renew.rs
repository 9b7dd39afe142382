//! Keeping a repository believed: renewing what is online, and saying in time what expires next.

use super::{
    online::{self, Next, Visible, whole_seconds},
    root::TopRole,
    sign::Holders,
    staged::staged_folder,
    state::{State, lock},
};
use crate::{ForgeError, key::Keyring};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::path::Path;
use tough::schema::Role;

/// One role as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleStatus {
    /// Its name.
    pub role: String,
    /// The version that clients see.
    pub version: u64,
    /// Until when it is believed.
    #[serde(serialize_with = "as_text")]
    pub expires: Timestamp,
    /// Key ids.
    pub keys: Vec<String>,
    /// How many must sign.
    pub threshold: u64,
    /// Signatures that are there and fit.
    pub signatures: u64,
    /// Whether the next metadata of it wait for signatures.
    pub staged: bool,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// Renews snapshot and timestamp with the online keys alone. Made to be called by a timer.
///
/// # Errors
/// [`ForgeError::BelowThreshold`] when an online key is missing.
pub fn refresh_timestamp(
    dir: &Path,
    keys: &Keyring,
    expires: SignedDuration,
    now: Timestamp,
) -> Result<Visible, ForgeError> {
    let _lock = lock(dir)?;
    let state = State::read(dir)?;
    state.targets()?;
    online::put_online(&state, Next::default(), keys, whole_seconds(now + expires))
}

/// Every role with its expiry, the first to expire first.
///
/// # Errors
/// [`ForgeError::BrokenRepository`].
pub fn status(dir: &Path) -> Result<Vec<RoleStatus>, ForgeError> {
    let state = State::read(dir)?;
    let root = &state.root()?.signed;
    let top = |role: TopRole| Holders::of_root(root, role.kind());
    let mut all = vec![entry(dir, &top(TopRole::Root), state.root.as_ref())];
    all.push(entry(dir, &top(TopRole::Targets), state.targets.as_ref()));
    all.push(entry(dir, &top(TopRole::Snapshot), state.snapshot.as_ref()));
    all.push(entry(dir, &top(TopRole::Timestamp), state.timestamp.as_ref()));
    for (name, role) in &state.delegated {
        let holders = state
            .targets
            .as_ref()
            .and_then(|targets| Holders::of_delegation(&targets.signed, name));
        all.push(holders.and_then(|holders| entry(dir, &holders, Some(role))));
    }
    let mut all: Vec<_> = all.into_iter().flatten().collect();
    all.sort_by(|a, b| (a.expires, &a.role).cmp(&(b.expires, &b.role)));
    Ok(all)
}

fn entry<T: Role>(
    dir: &Path,
    holders: &Holders,
    role: Option<&tough::schema::Signed<T>>,
) -> Option<RoleStatus> {
    let role = role?;
    Some(RoleStatus {
        role: holders.role.clone(),
        version: role.signed.version().get(),
        expires: role.signed.expires(),
        keys: holders.keys.iter().map(|(id, _)| hex::encode(id)).collect(),
        threshold: holders.threshold,
        signatures: holders.valid(role).len() as u64,
        staged: staged_folder(dir, &holders.role).exists(),
    })
}
