//! Makes metadata of any kind, lawful or not, with keys and dates that never change.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jiff::Timestamp;
use olpc_cjson::CanonicalFormatter;
use serde::Serialize as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fs, io, path::Path};

/// The day on which every exhibit is visited.
pub const TODAY: &str = "2030-01-01T00:00:00Z";
/// When honest metadata of the exhibits expire.
pub const EXPIRES: &str = "2030-02-01T00:00:00Z";

/// The day on which every exhibit is visited.
#[must_use]
pub fn today() -> Timestamp {
    TODAY.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A key that is known to everybody, made of its name.
pub struct Key(Ed25519KeyPair);

/// The key with this name.
#[must_use]
pub fn key(name: &str) -> Key {
    let seed = Sha256::digest(format!("refit museum {name}"));
    match Ed25519KeyPair::from_seed_unchecked(&seed) {
        Ok(pair) => Key(pair),
        // Every 32 bytes are a seed.
        Err(error) => unreachable!("{error}"),
    }
}

impl Key {
    /// As metadata list it.
    #[must_use]
    pub fn json(&self) -> Value {
        let public = hex::encode(self.0.public_key().as_ref());
        json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public } })
    }

    /// By which metadata name it.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(Sha256::digest(canonical(&self.json())))
    }
}

fn canonical(value: &Value) -> Vec<u8> {
    let mut data = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut data, CanonicalFormatter::new());
    match value.serialize(&mut serializer) {
        Ok(()) => data,
        // The workshop makes no fractions, the only thing that the form forbids.
        Err(error) => unreachable!("{error}"),
    }
}

/// The file of some metadata, signed by these keys.
#[must_use]
pub fn signed(part: &Value, keys: &[&Key]) -> Vec<u8> {
    let message = canonical(part);
    let signatures: Vec<Value> = keys
        .iter()
        .map(|key| json!({ "keyid": key.id(), "sig": hex::encode(key.0.sign(&message)) }))
        .collect();
    let mut text =
        format!("{:#}", json!({ "signed": part, "signatures": signatures })).into_bytes();
    text.push(b'\n');
    text
}

/// Who signs what.
pub struct Keys {
    /// The role.
    pub role: &'static str,
    /// Its keys' names.
    pub names: Vec<&'static str>,
    /// How many must sign.
    pub threshold: u64,
}

/// The honest keys: two of three for root and targets, one each online.
#[must_use]
pub fn honest() -> Vec<Keys> {
    let three = |role, names| Keys { role, names, threshold: 2 };
    let one = |role, name| Keys { role, names: vec![name], threshold: 1 };
    vec![
        three("root", vec!["root 1", "root 2", "root 3"]),
        three("targets", vec!["targets 1", "targets 2", "targets 3"]),
        one("snapshot", "snapshot 1"),
        one("timestamp", "timestamp 1"),
    ]
}

/// The signed part of a root.
#[must_use]
pub fn root(version: u64, roles: &[Keys]) -> Value {
    let (mut keys, mut named) = (Map::new(), Map::new());
    for role in roles {
        let ids: Vec<String> = role.names.iter().map(|name| key(name).id()).collect();
        keys.extend(role.names.iter().map(|name| (key(name).id(), key(name).json())));
        named.insert(role.role.to_owned(), json!({ "keyids": ids, "threshold": role.threshold }));
    }
    json!({
        "_type": "root", "spec_version": "1.0.0", "consistent_snapshot": true, "version": version,
        "expires": "2031-01-01T00:00:00Z", "keys": keys, "roles": named,
    })
}

/// The signed part of targets.
#[must_use]
pub fn targets(version: u64, files: &[(&str, &[u8])]) -> Value {
    let files: Map<String, Value> = files
        .iter()
        .map(|(name, content)| {
            let digest = hex::encode(Sha256::digest(content));
            ((*name).to_owned(), json!({ "length": content.len(), "hashes": { "sha256": digest } }))
        })
        .collect();
    json!({
        "_type": "targets", "spec_version": "1.0.0", "version": version, "expires": EXPIRES, "targets": files,
    })
}

/// The signed part of a snapshot that names these files, each with its version.
#[must_use]
pub fn snapshot(version: u64, files: &[(&str, &[u8], u64)]) -> Value {
    json!({
        "_type": "snapshot", "spec_version": "1.0.0", "version": version, "expires": EXPIRES,
        "meta": metafiles(files),
    })
}

/// The signed part of a timestamp.
#[must_use]
pub fn timestamp(version: u64, snapshot: &[u8], snapshot_version: u64) -> Value {
    json!({
        "_type": "timestamp", "spec_version": "1.0.0", "version": version, "expires": EXPIRES,
        "meta": metafiles(&[("snapshot", snapshot, snapshot_version)]),
    })
}

fn metafiles(files: &[(&str, &[u8], u64)]) -> Map<String, Value> {
    files
        .iter()
        .map(|(role, content, version)| {
            let digest = hex::encode(Sha256::digest(content));
            let meta = json!({
                "version": version, "length": content.len(), "hashes": { "sha256": digest },
            });
            (format!("{role}.json"), meta)
        })
        .collect()
}

/// A repository's files by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// Puts a target where consistent snapshots have it.
    pub fn target(&mut self, name: &str, content: &[u8]) {
        let digest = hex::encode(Sha256::digest(content));
        self.target_as(name, &digest, content);
    }

    /// Puts a target in the place of another digest.
    pub fn target_as(&mut self, name: &str, digest: &str, content: &[u8]) {
        let place = match name.rsplit_once('/') {
            Some((folder, file)) => format!("targets/{folder}/{digest}.{file}"),
            None => format!("targets/{digest}.{name}"),
        };
        self.0.insert(place, content.to_vec());
    }

    /// Puts a metadata file.
    pub fn metadata(&mut self, name: &str, content: Vec<u8>) {
        self.0.insert(format!("metadata/{name}"), content);
    }

    /// Takes a file away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Writes them all.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        for (name, content) in &self.0 {
            let path = dir.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, content)?;
        }
        Ok(())
    }
}

/// A whole repository of version `version` with these targets, signed as the honest root asks for.
#[must_use]
pub fn edition(version: u64, files: &[(&str, &[u8])]) -> Files {
    edition_of(version, &targets(version, files), files, &["targets 1", "targets 2"])
}

/// As [`edition`], with targets metadata of any kind, signed by whoever signs them.
#[must_use]
pub fn edition_of(
    version: u64,
    targets: &Value,
    files: &[(&str, &[u8])],
    signers: &[&str],
) -> Files {
    let signers: Vec<Key> = signers.iter().map(|name| key(name)).collect();
    let targets = signed(targets, &signers.iter().collect::<Vec<_>>());
    let mut all = assembled(version, &[("targets", targets, version)]);
    for (name, content) in files {
        all.target(name, content);
    }
    all
}

/// Root, snapshot and timestamp around these targets metadata, each with its version.
#[must_use]
pub fn assembled(version: u64, roles: &[(&str, Vec<u8>, u64)]) -> Files {
    let mut all = Files::default();
    let listed: Vec<(&str, &[u8], u64)> = roles
        .iter()
        .map(|(role, content, version)| (*role, content.as_slice(), *version))
        .collect();
    let snapshot = signed(&snapshot(version, &listed), &[&key("snapshot 1")]);
    let timestamp = signed(&timestamp(version, &snapshot, version), &[&key("timestamp 1")]);
    all.metadata("1.root.json", signed(&root(1, &honest()), &[&key("root 1"), &key("root 2")]));
    for (role, content, version) in roles {
        all.metadata(&format!("{version}.{role}.json"), content.clone());
    }
    all.metadata(&format!("{version}.snapshot.json"), snapshot);
    all.metadata("timestamp.json", timestamp);
    all
}
