//! The repository and what is in it.

use crate::{
    error::{VaultError, guarded, told},
    meter::Counted,
    target::{Reached, Target},
};
use jiff::Timestamp;
use refit_backup::Meter;
use refit_names::{BuildId, ByteSize, Digest, HostName, ProductName};
use rustic_core::{
    CheckOptions, ConfigOptions, Credentials, KeyOptions, OpenStatus, Repository,
    RepositoryOptions,
    repofile::{MasterKey, SnapshotFile},
};
use serde::{Deserialize, Serialize};

/// What marks the snapshots that Refit made.
pub(crate) const MARK: &str = "refit";

/// What marks snapshots of a product that stood still.
pub(crate) const STILL: &str = "still";

/// Where a repository is, and what opens it.
#[derive(Clone)]
pub struct VaultPlace {
    /// A folder or a bucket.
    pub target: Target,
    /// Its password.
    pub password: String,
}

/// An opened repository.
pub struct Vault {
    pub(crate) target: Reached,
    /// What the password unlocked: unlocking takes long on purpose, so it is done once.
    key: MasterKey,
    pub(crate) meter: Meter,
}

/// A backup in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// As restic shows it.
    pub id: String,
    /// Of which host.
    pub host: HostName,
    /// Of which product.
    pub product: ProductName,
    /// Of which build.
    pub build: BuildId,
    /// The moment that it shows.
    pub taken_at: Timestamp,
    /// Whether the product stood still then.
    pub stood_still: bool,
    /// SHA-256 of the backup's manifest.
    pub manifest: Digest,
    /// Bytes of everything in it.
    pub size: ByteSize,
    /// Bytes that it added to the repository.
    pub added: ByteSize,
}

impl Vault {
    /// Makes a new repository.
    ///
    /// # Errors
    /// [`VaultError::Occupied`] when something is there already.
    pub fn create(place: &VaultPlace) -> Result<Self, VaultError> {
        let target = Reached::new(&place.target)?;
        target.make()?;
        let credentials = Credentials::password(&place.password);
        let meter = Meter::default();
        let made = closed(&target, &meter)?
            .init(&credentials, &KeyOptions::default(), &ConfigOptions::default())
            .map_err(VaultError::repository("make a repository", &target))?;
        Ok(Self { key: made.key(), target, meter })
    }

    /// Opens a repository that is there.
    ///
    /// # Errors
    /// [`VaultError::Missing`] when it is not: nothing is ever made instead.
    pub fn open(place: &VaultPlace) -> Result<Self, VaultError> {
        let target = Reached::new(&place.target)?;
        if !target.has_repository()? {
            return Err(VaultError::Missing { place: target.name() });
        }
        let meter = Meter::default();
        let opened = closed(&target, &meter)?
            .open(&Credentials::password(&place.password))
            .map_err(VaultError::repository("open it", &target))?;
        Ok(Self { key: opened.key(), target, meter })
    }

    /// Counts bytes with `meter` from now on.
    #[must_use]
    pub fn counted_by(mut self, meter: Meter) -> Self {
        self.meter = meter;
        self
    }

    /// Snapshots of `host` that Refit made, oldest first.
    ///
    /// # Errors
    /// [`VaultError::Repository`].
    pub fn list(&self, host: &HostName) -> Result<Vec<Snapshot>, VaultError> {
        let all = self.all()?;
        let mut found: Vec<Snapshot> = all.iter().filter_map(describe).collect();
        found.retain(|snapshot| snapshot.host == *host);
        found.sort_by(|a, b| a.taken_at.cmp(&b.taken_at).then_with(|| a.id.cmp(&b.id)));
        Ok(found)
    }

    /// The snapshot of `host` whose identifier begins with `id`, or its newest of `product` for `latest`.
    ///
    /// # Errors
    /// [`VaultError::NoSnapshot`] when there is none, or more than one.
    pub fn find(
        &self,
        host: &HostName,
        product: &ProductName,
        id: &str,
    ) -> Result<Snapshot, VaultError> {
        let mut of_product = self.list(host)?;
        of_product.retain(|snapshot| snapshot.product == *product);
        let mut named = of_product.iter().filter(|snapshot| snapshot.id.starts_with(id));
        let found = match id {
            "latest" => of_product.last(),
            "" => None,
            _ => named.next().filter(|_| named.next().is_none()),
        };
        found.cloned().ok_or_else(|| VaultError::NoSnapshot {
            place: self.target.name(),
            snapshot: id.to_owned(),
            host: host.to_string(),
        })
    }

    /// Reads the whole repository and checks every byte of it.
    ///
    /// # Errors
    /// [`VaultError::Broken`] names what was found.
    pub fn check(&self) -> Result<(), VaultError> {
        let what = "check all data";
        let options = CheckOptions::default().read_data(true);
        let found = guarded(what, &self.target, || {
            let found = self.repository()?.check(options);
            found.map_err(VaultError::repository(what, &self.target))
        })?;
        if found.is_ok().is_ok() {
            return Ok(());
        }
        let lines: Vec<String> =
            found.0.iter().map(|(_, error)| told(&error.to_string())).collect();
        let (place, why) = (self.target.name(), lines.join("; "));
        Err(VaultError::Broken { what, place, why })
    }

    /// The repository, opened anew: reading its index uses it up.
    pub(crate) fn repository(&self) -> Result<Repository<OpenStatus>, VaultError> {
        let opened =
            closed(&self.target, &self.meter)?.open(&Credentials::Masterkey(self.key.clone()));
        opened.map_err(VaultError::repository("open it", &self.target))
    }

    pub(crate) fn all(&self) -> Result<Vec<SnapshotFile>, VaultError> {
        let listed = self.repository()?.get_all_snapshots();
        listed.map_err(VaultError::repository("list snapshots", &self.target))
    }
}

/// The repository before its password is known.
fn closed(target: &Reached, meter: &Meter) -> Result<Repository<()>, VaultError> {
    let backends = target.backends()?;
    // A second copy of the index on the host itself would only grow there.
    let options = RepositoryOptions::default().no_cache(true);
    let counted = Counted(meter.clone());
    Repository::new_with_progress(&options, &backends, counted)
        .map_err(VaultError::repository("reach it", target))
}

/// What a snapshot says of itself; none when Refit did not make it.
pub(crate) fn describe(file: &SnapshotFile) -> Option<Snapshot> {
    let tags: Vec<&str> = file.tags.iter().map(String::as_str).collect();
    if !tags.contains(&MARK) {
        return None;
    }
    let tag = |key: &str| tags.iter().find_map(|tag| tag.strip_prefix(key)?.strip_prefix('='));
    let summary = file.summary.as_ref();
    let bytes = |count: Option<u64>| ByteSize(count.unwrap_or_default());
    Some(Snapshot {
        id: file.id.to_hex().as_str().to_owned(),
        host: HostName::parse(file.hostname.clone()).ok()?,
        product: ProductName::parse(tag("product")?).ok()?,
        build: BuildId::parse(tag("build")?).ok()?,
        taken_at: file.time.timestamp(),
        stood_still: tags.contains(&STILL),
        manifest: Digest::parse(tag("manifest")?).ok()?,
        size: bytes(summary.map(|summary| summary.total_bytes_processed)),
        added: bytes(summary.map(|summary| summary.data_added_packed)),
    })
}
