//! The client's workflow of the TUF specification (section 5), step by step, on the library's types and signature checks.
//!
//! The library's own workflow stores its serialisation instead of the bytes that came, loads all delegations at once and replaces a
//! timestamp by another one of the same version; this one does not.

use crate::{
    Limits, RepositoryError, TrustStore, digests,
    parse::{Unverified, parse},
    transport,
    trust::{Kept, quoted},
};
use bytes::Bytes;
use jiff::Timestamp;
use refit_names::ByteSize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use tough::schema::{
    Delegations, Metafile, Role, Root, Signed, Snapshot, Targets, Timestamp as TimestampRole,
};
use url::Url;

/// Root, timestamp: a few keys or one entry.
const SMALL_BYTES_MAX: ByteSize = ByteSize(1 << 20);
/// Snapshot and targets, when the metadata that names them gives no length: a hundred thousand targets.
const LARGE_BYTES_MAX: ByteSize = ByteSize(64 << 20);
/// Roots in one refresh: yearly rotations for a thousand years.
const ROOTS_MAX: u64 = 1024;

/// All top-level metadata, verified, with the exact bytes under the names that they have on the server.
#[derive(Debug, Clone)]
pub(crate) struct Trusted {
    pub(crate) root: Signed<Root>,
    pub(crate) timestamp: Signed<TimestampRole>,
    pub(crate) snapshot: Signed<Snapshot>,
    pub(crate) targets: Signed<Targets>,
    pub(crate) files: BTreeMap<String, Bytes>,
}

/// What one refresh works with. `now` is fixed at its start.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) store: TrustStore,
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
}

impl Workflow {
    /// Root, timestamp, snapshot, targets. What is verified is kept at once, also if a later step fails.
    pub(crate) async fn refresh(&self) -> Result<Trusted, RepositoryError> {
        let mut files = BTreeMap::new();
        let root = self.root(&mut files).await?;
        self.check_expiry(&root.signed)?;
        let timestamp = self.timestamp(&root, &mut files).await?;
        let snapshot = self.snapshot(&root, &timestamp, &mut files).await?;
        let targets = self.targets(&root, &snapshot, &mut files).await?;
        Ok(Trusted { root, timestamp, snapshot, targets, files })
    }

    /// 5.3: follows the chain of roots, each signed by the one before and by itself.
    async fn root(
        &self,
        files: &mut BTreeMap<String, Bytes>,
    ) -> Result<Signed<Root>, RepositoryError> {
        let mut root: Signed<Root> = parse::<Root>(&self.store.newest_root()?)?.role;
        let first = root.signed.version.get();
        while root.signed.version.get() < first.saturating_add(ROOTS_MAX) {
            let version = root.signed.version.get() + 1;
            let name = format!("{version}.root.json");
            let bytes = match self.bring(&name, SMALL_BYTES_MAX).await {
                Err(RepositoryError::MissingFile { .. }) => break,
                other => other?,
            };
            // By the keys of the root before and by its own.
            parse::<Root>(&bytes)?.verify(&root.signed)?;
            let next = parse::<Root>(&bytes)?;
            let own = next.role.signed.clone();
            let next = next.verify(&own)?;
            check_version("root", version, next.signed.version.get())?;
            self.store.put(&Kept::Root, &bytes)?;
            files.insert(name, bytes);
            root = next;
        }
        Ok(root)
    }

    /// 5.4: never older than the last, and never another one of the same version.
    async fn timestamp(
        &self,
        root: &Signed<Root>,
        files: &mut BTreeMap<String, Bytes>,
    ) -> Result<Signed<TimestampRole>, RepositoryError> {
        let name = "timestamp.json";
        let bytes = self.bring(name, SMALL_BYTES_MAX).await?;
        let new = parse::<TimestampRole>(&bytes)?.verify(&root.signed)?;
        let new_snapshot = snapshot_meta(&new)?.version.get();
        if let Some((old, old_bytes)) = self.kept::<TimestampRole>(root, &Kept::Timestamp) {
            check_rollback("timestamp", old.signed.version.get(), new.signed.version.get())?;
            if old.signed.version == new.signed.version {
                self.check_expiry(&old.signed)?;
                files.insert(name.to_owned(), old_bytes);
                return Ok(old);
            }
            // A snapshot whose key was exchanged says nothing any more: this is how a thief's high version is got rid of.
            let kept = self.store.get(&Kept::Snapshot).is_none()
                || self.kept::<Snapshot>(root, &Kept::Snapshot).is_some();
            if kept {
                check_rollback("snapshot", snapshot_meta(&old)?.version.get(), new_snapshot)?;
            }
        }
        self.check_expiry(&new.signed)?;
        self.store.put(&Kept::Timestamp, &bytes)?;
        files.insert(name.to_owned(), bytes);
        Ok(new)
    }

    /// 5.5: exactly the one that the timestamp names, and no role in it older or gone.
    async fn snapshot(
        &self,
        root: &Signed<Root>,
        timestamp: &Signed<TimestampRole>,
        files: &mut BTreeMap<String, Bytes>,
    ) -> Result<Signed<Snapshot>, RepositoryError> {
        let meta = snapshot_meta(timestamp)?;
        let name = remote_name(root, meta, "snapshot");
        let old = self.kept::<Snapshot>(root, &Kept::Snapshot);
        if let Some((old, bytes)) = &old
            && old.signed.version == meta.version
            && check_meta("snapshot", meta, bytes).is_ok()
        {
            self.check_expiry(&old.signed)?;
            files.insert(name, bytes.clone());
            return Ok(old.clone());
        }
        let (new, bytes) = self
            .bring_named::<Snapshot>(&name, meta, "snapshot", |new| new.verify(&root.signed))
            .await?;
        for (file, listed) in old.iter().flat_map(|(old, _)| &old.signed.meta) {
            let role = file.strip_suffix(".json").unwrap_or(file);
            let now = new
                .signed
                .meta
                .get(file)
                .ok_or_else(|| RepositoryError::RoleGone { role: role.to_owned() })?;
            check_rollback(role, listed.version.get(), now.version.get())?;
        }
        self.check_expiry(&new.signed)?;
        self.store.put(&Kept::Snapshot, &bytes)?;
        files.insert(name, bytes);
        Ok(new)
    }

    /// 5.6: exactly the one that the snapshot names.
    async fn targets(
        &self,
        root: &Signed<Root>,
        snapshot: &Signed<Snapshot>,
        files: &mut BTreeMap<String, Bytes>,
    ) -> Result<Signed<Targets>, RepositoryError> {
        let missing =
            || RepositoryError::Unlawful { what: "its snapshot names no targets.json".to_owned() };
        let meta = snapshot.signed.meta.get("targets.json").ok_or_else(missing)?;
        let name = remote_name(root, meta, "targets");
        let (targets, bytes) = self
            .named_targets(&name, meta, "targets", &Kept::Targets, |targets| {
                targets.verify(&root.signed)
            })
            .await?;
        files.insert(name, bytes);
        Ok(targets)
    }

    /// A delegated role as its delegator and the snapshot describe it, with its bytes and its name on the server.
    pub(crate) async fn delegated(
        &self,
        trusted: &Trusted,
        delegator: &Delegations,
        role: &str,
    ) -> Result<Option<(Signed<Targets>, String, Bytes)>, RepositoryError> {
        let Some(meta) = trusted.snapshot.signed.meta.get(&format!("{role}.json")) else {
            return Ok(None);
        };
        let name = remote_name(&trusted.root, meta, &quoted(role));
        let check = |targets: Unverified<Targets>| targets.verify_delegated(delegator, role);
        let (targets, bytes) =
            self.named_targets(&name, meta, role, &Kept::Delegated(role.to_owned()), check).await?;
        Ok(Some((targets, name, bytes)))
    }

    /// What is kept if it is still the one that is named and signed, else the one on the server.
    async fn named_targets(
        &self,
        name: &str,
        meta: &Metafile,
        role: &str,
        kept: &Kept,
        check: impl Fn(Unverified<Targets>) -> Result<Signed<Targets>, RepositoryError>,
    ) -> Result<(Signed<Targets>, Bytes), RepositoryError> {
        if let Some(bytes) = self.store.get(kept)
            && let Ok(old) = parse::<Targets>(&bytes)
            && old.role.signed.version == meta.version
            && check_meta(role, meta, &bytes).is_ok()
            && let Ok(old) = check(old)
        {
            self.check_expiry_of(role, &old.signed)?;
            return Ok((old, bytes.into()));
        }
        let (new, bytes) = self.bring_named::<Targets>(name, meta, role, check).await?;
        self.check_expiry_of(role, &new.signed)?;
        self.store.put(kept, &bytes)?;
        Ok((new, bytes))
    }

    /// Brings metadata that other metadata names: digest, signature, version.
    async fn bring_named<T: Role + DeserializeOwned>(
        &self,
        name: &str,
        meta: &Metafile,
        role: &str,
        check: impl Fn(Unverified<T>) -> Result<Signed<T>, RepositoryError>,
    ) -> Result<(Signed<T>, Bytes), RepositoryError> {
        let bytes = self.bring(name, meta.length.map_or(LARGE_BYTES_MAX, ByteSize)).await?;
        check_meta(role, meta, &bytes)?;
        let new = check(parse::<T>(&bytes)?)?;
        check_version(role, meta.version.get(), new.signed.version().get())?;
        Ok((new, bytes))
    }

    pub(crate) async fn bring(&self, name: &str, max: ByteSize) -> Result<Bytes, RepositoryError> {
        let url = self
            .base
            .join(name)
            .map_err(|error| RepositoryError::malformed("address of the metadata", error))?;
        transport::bring(&self.http, &url, max, &self.limits)
            .await
            .map_err(|fault| RepositoryError::from_fault(&url, fault))
    }

    /// Kept metadata counts only as long as the present root's keys signed it: this is how a repository recovers from a thief who
    /// raised its versions.
    fn kept<T: Role + DeserializeOwned>(
        &self,
        root: &Signed<Root>,
        kept: &Kept,
    ) -> Option<(Signed<T>, Bytes)> {
        let bytes = self.store.get(kept)?;
        let role = parse::<T>(&bytes).ok()?.verify(&root.signed).ok()?;
        Some((role, bytes.into()))
    }

    fn check_expiry<T: Role>(&self, role: &T) -> Result<(), RepositoryError> {
        self.check_expiry_of(&T::TYPE.to_string(), role)
    }

    fn check_expiry_of<T: Role>(&self, name: &str, role: &T) -> Result<(), RepositoryError> {
        if role.expires() <= self.now {
            return Err(RepositoryError::Expired { role: name.to_owned(), at: role.expires() });
        }
        Ok(())
    }
}

/// Roots are brought one by one for a mirror, too.
pub(crate) const fn root_bytes_max() -> ByteSize {
    SMALL_BYTES_MAX
}

fn check_version(role: &str, expected: u64, found: u64) -> Result<(), RepositoryError> {
    if expected == found {
        Ok(())
    } else {
        Err(RepositoryError::VersionMismatch { role: role.to_owned(), expected, found })
    }
}

fn check_rollback(role: &str, trusted: u64, found: u64) -> Result<(), RepositoryError> {
    if found < trusted {
        Err(RepositoryError::Rollback { role: role.to_owned(), trusted, found })
    } else {
        Ok(())
    }
}

/// Length and digest, where the metadata that names a file gives them.
fn check_meta(role: &str, meta: &Metafile, bytes: &[u8]) -> Result<(), RepositoryError> {
    let what = || format!("{role} metadata");
    if let Some(expected) = meta.length.filter(|length| *length != bytes.len() as u64) {
        return Err(RepositoryError::LengthMismatch {
            what: what(),
            expected,
            found: bytes.len() as u64,
        });
    }
    match &meta.hashes {
        Some(hashes) => digests::Digests::of(hashes)?.check(&what(), bytes),
        None => Ok(()),
    }
}

fn snapshot_meta(timestamp: &Signed<TimestampRole>) -> Result<&Metafile, RepositoryError> {
    let meta = &timestamp.signed.meta;
    match meta.get("snapshot.json") {
        Some(snapshot) if meta.len() == 1 => Ok(snapshot),
        _ => Err(RepositoryError::Unlawful {
            what: "its timestamp must name snapshot.json and nothing else".to_owned(),
        }),
    }
}

fn remote_name(root: &Signed<Root>, meta: &Metafile, role: &str) -> String {
    if root.signed.consistent_snapshot {
        format!("{}.{role}.json", meta.version)
    } else {
        format!("{role}.json")
    }
}
