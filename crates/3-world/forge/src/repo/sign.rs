//! Signatures over one role's metadata: who may sign it, whose signature is there, whether they are enough.

use crate::{
    ForgeError,
    key::{Keyring, SigningKey},
};
use refit_names::chain;
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroU64,
};
use tough::schema::{
    Delegations, Role, RoleKeys, RoleType, Root, Signature, Signed, Targets,
    decoded::{Decoded, Hex},
    key::Key,
};

/// The keys that may sign a role, and how many must.
#[derive(Debug, Clone)]
pub(super) struct Holders {
    pub(super) role: String,
    pub(super) keys: Vec<(Decoded<Hex>, Key)>,
    pub(super) threshold: u64,
}

impl Holders {
    /// Those that a root names for a top-level role.
    pub(super) fn of_root(root: &Root, role: RoleType) -> Self {
        let named = root.roles.get(&role);
        Self::new(
            role.to_string(),
            &root.keys,
            named.map_or(&[][..], |named| &named.keyids),
            named.map_or(1, |named| named.threshold.get()),
        )
    }

    /// Those that a delegation names, if there is one of that name.
    pub(super) fn of_delegation(targets: &Targets, name: &str) -> Option<Self> {
        let Delegations { keys, roles } = targets.delegations.as_ref()?;
        let role = roles.iter().find(|role| role.name == name)?;
        Some(Self::new(name.to_owned(), keys, &role.keyids, role.threshold.get()))
    }

    fn new(
        role: String,
        keys: &HashMap<Decoded<Hex>, Key>,
        ids: &[Decoded<Hex>],
        threshold: u64,
    ) -> Self {
        let keys = ids.iter().filter_map(|id| Some((id.clone(), keys.get(id)?.clone()))).collect();
        Self { role, keys, threshold }
    }

    /// The id under which these metadata know a key, if they do.
    pub(super) fn id_of(&self, key: &SigningKey) -> Option<Decoded<Hex>> {
        let key = key.tuf_key();
        self.keys.iter().find(|(_, there)| *there == key).map(|(id, _)| id.clone())
    }

    /// Refuses when fewer than the threshold have signed.
    pub(super) fn check<T: Role>(&self, signed: &Signed<T>) -> Result<(), ForgeError> {
        let valid = self.valid(signed);
        if (valid.len() as u64) < self.threshold {
            return Err(ForgeError::BelowThreshold {
                role: self.role.clone(),
                threshold: self.threshold,
                found: valid.len() as u64,
            });
        }
        Ok(())
    }

    /// The ids of the keys whose signature is there and fits.
    pub(super) fn valid<T: Role>(&self, signed: &Signed<T>) -> BTreeSet<String> {
        let mut valid = BTreeSet::new();
        for (id, key) in &self.keys {
            if alone(id, key, T::TYPE).verify_role(signed).is_ok() {
                valid.insert(hex::encode(id));
            }
        }
        valid
    }
}

/// A root that knows one key, for the library's own check of any kind of signature.
fn alone(id: &Decoded<Hex>, key: &Key, role: RoleType) -> Root {
    Root {
        spec_version: String::new(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: jiff::Timestamp::UNIX_EPOCH,
        keys: HashMap::from([(id.clone(), key.clone())]),
        roles: HashMap::from([(role, role_keys(vec![id.clone()], NonZeroU64::MIN))]),
        _extra: HashMap::new(),
    }
}

/// Adds the signatures of every key of the ring that one of `holders` names, and returns their ids. A key signs once.
pub(super) fn sign<T: Role>(
    signed: &mut Signed<T>,
    keys: &Keyring,
    holders: &[&Holders],
) -> Result<Vec<String>, ForgeError> {
    let message = canonical(&signed.signed)?;
    let mut by = Vec::new();
    for key in keys.iter() {
        let Some(keyid) = holders.iter().find_map(|holders| holders.id_of(key)) else { continue };
        signed.signatures.retain(|there| there.keyid != keyid);
        by.push(hex::encode(&keyid));
        signed.signatures.push(Signature { keyid, sig: key.sign(&message).into() });
    }
    Ok(by)
}

/// Metadata that nobody has signed yet.
pub(super) fn unsigned<T>(signed: T) -> Signed<T> {
    Signed { signed, signatures: Vec::new() }
}

/// The file: sorted, so that the same metadata are the same bytes.
pub(super) fn to_file<T: Serialize>(signed: &Signed<T>) -> Result<Vec<u8>, ForgeError> {
    let value = serde_json::to_value(signed).map_err(|error| not_writable(&error))?;
    let mut text = serde_json::to_vec_pretty(&value).map_err(|error| not_writable(&error))?;
    text.push(b'\n');
    Ok(text)
}

/// What is signed.
pub(super) fn canonical<T: Role>(role: &T) -> Result<Vec<u8>, ForgeError> {
    role.canonical_form().map_err(|error| not_writable(&error))
}

fn not_writable(error: &(dyn std::error::Error + 'static)) -> ForgeError {
    ForgeError::Metadata { why: chain(error) }
}

/// The keys of a role with these holders.
pub(super) fn role_keys(ids: Vec<Decoded<Hex>>, threshold: NonZeroU64) -> RoleKeys {
    RoleKeys { keyids: ids, threshold, _extra: HashMap::new() }
}
