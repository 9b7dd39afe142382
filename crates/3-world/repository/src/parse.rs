//! Metadata as they came: the exact JSON for signatures, the library's types for everything else.
//!
//! The library's types want SHA-256 everywhere and know no shorthand for hashed bins; its serialisation drops what it does not know.
//! So signatures are checked over the JSON that came, and the typed view is made of a copy in which an empty SHA-256 stands for none
//! and the shorthand is written out.

use crate::{RepositoryError, digests::Digests};
use jiff::Timestamp;
use serde::{Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, marker::PhantomData, num::NonZeroU64};
use tough::schema::{
    Delegations, Role, RoleKeys, RoleType, Root, Signed, Snapshot, Targets,
    Timestamp as TimestampRole,
};

/// Bins of one shorthand: 2^14, four times as many as the largest public repository has.
const BIN_BITS_MAX: u64 = 14;

/// Metadata that were read and not yet believed.
pub(crate) struct Unverified<T> {
    /// The typed view.
    pub(crate) role: Signed<T>,
    json: Signed<Plain<T>>,
}

/// The signed part exactly as it came.
struct Plain<T> {
    json: Value,
    role: PhantomData<T>,
}

impl<T> Serialize for Plain<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<T: Role> Role for Plain<T> {
    const TYPE: RoleType = T::TYPE;

    fn expires(&self) -> Timestamp {
        Timestamp::MIN
    }

    fn version(&self) -> NonZeroU64 {
        NonZeroU64::MIN
    }

    fn filename(&self, _: bool) -> String {
        String::new()
    }
}

/// Reads metadata of any origin.
pub(crate) fn parse<T: Role + DeserializeOwned>(
    bytes: &[u8],
) -> Result<Unverified<T>, RepositoryError> {
    let malformed = |error: serde_json::Error| {
        RepositoryError::malformed(format!("{} metadata", T::TYPE), error)
    };
    let came: Signed<Value> = serde_json::from_slice(bytes).map_err(malformed)?;
    let mut lenient = came.signed.clone();
    let kind = lenient.get("_type").and_then(Value::as_str).unwrap_or_default();
    if kind != T::TYPE.to_string() {
        let found = format!("expected metadata of type `{}`, found `{kind}`", T::TYPE);
        return Err(RepositoryError::malformed(format!("{} metadata", T::TYPE), found));
    }
    for files in ["targets", "meta"] {
        if let Some(files) = lenient.get_mut(files).and_then(Value::as_object_mut) {
            files.values_mut().for_each(without_sha256);
        }
    }
    if let Some(delegations) = lenient.get_mut("delegations").and_then(Value::as_object_mut) {
        write_out_bins(delegations)?;
    }
    let signed: T = serde_json::from_value(lenient).map_err(malformed)?;
    let role = Signed { signed, signatures: came.signatures.clone() };
    let json = Plain { json: came.signed, role: PhantomData };
    Ok(Unverified { role, json: Signed { signed: json, signatures: came.signatures } })
}

impl<T: Role> Unverified<T> {
    /// Believes it if enough of the keys that the root names have signed it.
    pub(crate) fn verify(self, root: &Root) -> Result<Signed<T>, RepositoryError> {
        self.check(root, &T::TYPE.to_string())?;
        Ok(self.role)
    }

    /// Believes it if enough of the keys that the delegation names have signed it.
    pub(crate) fn verify_delegated(
        self,
        delegator: &Delegations,
        name: &str,
    ) -> Result<Signed<T>, RepositoryError> {
        let role = delegator.roles.iter().find(|role| role.name == name).ok_or_else(|| {
            RepositoryError::Unlawful { what: format!("nothing is delegated to `{name}`") }
        })?;
        let holders = RoleKeys {
            keyids: role.keyids.clone(),
            threshold: role.threshold,
            _extra: HashMap::new(),
        };
        // The library checks signatures against a root only, or against its own serialisation.
        let root = Root {
            spec_version: String::new(),
            consistent_snapshot: true,
            version: NonZeroU64::MIN,
            expires: Timestamp::MAX,
            keys: delegator.keys.clone(),
            roles: HashMap::from([(T::TYPE, holders)]),
            _extra: HashMap::new(),
        };
        self.check(&root, name)?;
        Ok(self.role)
    }

    fn check(&self, root: &Root, name: &str) -> Result<(), RepositoryError> {
        root.verify_role(&self.json).map_err(|error| RepositoryError::BadSignature {
            role: name.to_owned(),
            source: Box::new(error),
        })
    }
}

/// What a metadata file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// `root`, `targets`, `snapshot` or `timestamp`; delegated roles are targets too.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// Until when it would be believed.
    pub expires: String,
    /// How many targets it has, or how many files it names.
    pub entries: usize,
    /// Who signs what, as it has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<RoleHolders>,
    /// The ids of the keys whose signatures it carries, whether they fit or not.
    pub signatures: Vec<String>,
}

/// The keys of a role, as a root or a delegation names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleHolders {
    /// The role.
    pub role: String,
    /// How many of the keys must sign.
    pub threshold: u64,
    /// Key ids.
    pub keys: Vec<String>,
}

impl std::fmt::Display for RoleHolders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} of {}", self.role, self.threshold, self.keys.join(" "))
    }
}

/// Reads a metadata file without believing it.
///
/// # Errors
/// [`RepositoryError::Malformed`], [`RepositoryError::Unlawful`].
pub fn inspect(bytes: &[u8]) -> Result<Inspected, RepositoryError> {
    let came: Signed<Value> = serde_json::from_slice(bytes)
        .map_err(|error| RepositoryError::malformed("metadata", error))?;
    match came.signed.get("_type").and_then(Value::as_str) {
        Some("root") => {
            let root = parse::<Root>(bytes)?.role;
            let mut found = inspected(&root, root.signed.keys.len());
            found.keys = root
                .signed
                .roles
                .iter()
                .map(|(role, holders)| RoleHolders {
                    role: role.to_string(),
                    threshold: holders.threshold.get(),
                    keys: holders.keyids.iter().map(hex::encode).collect(),
                })
                .collect();
            found.keys.sort_by(|a, b| a.role.cmp(&b.role));
            Ok(found)
        }
        Some("targets") => {
            let role = parse::<Targets>(bytes)?.role;
            for target in role.signed.targets.values() {
                Digests::of(&target.hashes)?;
            }
            let mut found = inspected(&role, role.signed.targets.len());
            for role in role.signed.delegations.iter().flat_map(|there| &there.roles) {
                found.keys.push(RoleHolders {
                    role: role.name.clone(),
                    threshold: role.threshold.get(),
                    keys: role.keyids.iter().map(hex::encode).collect(),
                });
            }
            Ok(found)
        }
        Some("snapshot") => {
            let role = parse::<Snapshot>(bytes)?.role;
            Ok(inspected(&role, role.signed.meta.len()))
        }
        Some("timestamp") => {
            let role = parse::<TimestampRole>(bytes)?.role;
            Ok(inspected(&role, role.signed.meta.len()))
        }
        other => Err(RepositoryError::malformed(
            "metadata",
            format!("expected the type of a role, found {other:?}"),
        )),
    }
}

fn inspected<T: Role>(role: &Signed<T>, entries: usize) -> Inspected {
    Inspected {
        role: T::TYPE.to_string(),
        version: role.signed.version().get(),
        expires: role.signed.expires().to_string(),
        entries,
        keys: Vec::new(),
        signatures: role.signatures.iter().map(|there| hex::encode(&there.keyid)).collect(),
    }
}

fn without_sha256(file: &mut Value) {
    if let Some(hashes) = file.get_mut("hashes").and_then(Value::as_object_mut)
        && hashes.contains_key("sha512")
    {
        hashes.entry("sha256").or_insert_with(|| json!(""));
    }
}

/// `succinct_roles` (TAP 15) stand for 2^bits roles, each with the targets whose digest begins with its number.
fn write_out_bins(delegations: &mut Map<String, Value>) -> Result<(), RepositoryError> {
    let Some(bins) = delegations.remove("succinct_roles") else { return Ok(()) };
    let unlawful = |what: &str| RepositoryError::Unlawful { what: what.to_owned() };
    let bits = bins["bit_length"]
        .as_u64()
        .filter(|bits| (1..=BIN_BITS_MAX).contains(bits))
        .ok_or_else(|| unlawful("its hashed bins have more than 2^14 roles, or none"))?;
    let prefix =
        bins["name_prefix"].as_str().ok_or_else(|| unlawful("its hashed bins have no name"))?;
    let digits = bits.div_ceil(4) as usize;
    let shift = digits as u64 * 4 - bits;
    let roles: Vec<Value> = (0..1_u64 << bits)
        .map(|bin| {
            // A bin whose bits end within a digit has all digits that begin with them.
            let prefixes: Vec<String> = (0..1_u64 << shift)
                .map(|rest| format!("{:0digits$x}", (bin << shift) | rest))
                .collect();
            json!({
                "name": format!("{prefix}-{bin:0digits$x}"),
                "keyids": bins["keyids"],
                "threshold": bins["threshold"],
                "path_hash_prefixes": prefixes,
                "terminating": true,
            })
        })
        .collect();
    delegations.insert("roles".to_owned(), Value::Array(roles));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_written_out_with_their_digits() {
        let mut delegations = Map::new();
        let bins = json!({"bit_length": 3, "name_prefix": "b", "keyids": ["00"], "threshold": 1});
        delegations.insert("succinct_roles".to_owned(), bins);
        write_out_bins(&mut delegations).unwrap();
        let roles = delegations["roles"].as_array().unwrap();
        assert_eq!(roles.len(), 8);
        assert_eq!(roles[7]["name"], "b-7");
        assert_eq!(roles[7]["path_hash_prefixes"], json!(["e", "f"]));
        delegations.insert("succinct_roles".to_owned(), json!({"bit_length": 32}));
        assert!(write_out_bins(&mut delegations).is_err());
    }
}
