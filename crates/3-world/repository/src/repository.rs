//! A repository that was refreshed: every answer comes from metadata that was verified.

use crate::{
    Limits, RepositoryError, TrustStore, delegations,
    digests::Digests,
    download::{self, Wanted, Way},
    workflow::{Trusted, Workflow},
};
use jiff::Timestamp;
use refit_names::{ByteSize, Digest, DigestReader, TargetName};
use refit_packs::record::{self, PackRecord};
use refit_plan::PackPin;
use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};
use tough::schema::Target;
use url::Url;

/// A record of a tree with a million files has about 200 MB.
const RECORD_BYTES_MAX: ByteSize = ByteSize(256 << 20);

/// Where a repository is, and through which client it is reached.
#[derive(Debug, Clone)]
pub struct Source {
    /// The folder with `timestamp.json`; http, https or file.
    pub metadata: Url,
    /// The folder with the targets.
    pub targets: Url,
    /// Carries the caller's certificates.
    pub http: reqwest::Client,
}

/// Verified metadata, and the way to its targets.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) trusted: Arc<Trusted>,
    pub(crate) workflow: Workflow,
    targets_url: Url,
}

/// Follows the chain of roots, then timestamp, snapshot and targets, with every check of the specification.
///
/// Shape: what becomes trusted on the way is kept in `store`, also when a later check fails.
/// Units: `now` decides what has expired.
///
/// # Errors
/// [`RepositoryError::Expired`], [`RepositoryError::Rollback`], [`RepositoryError::BadSignature`], [`RepositoryError::Unreachable`]
/// and the others, each with what was expected and found.
pub async fn refresh(
    store: &TrustStore,
    source: &Source,
    now: Timestamp,
) -> Result<Repository, RepositoryError> {
    refresh_within(store, source, &Limits::default(), now).await
}

/// As [`refresh`], with other limits in time.
///
/// # Errors
/// As [`refresh`].
pub async fn refresh_within(
    store: &TrustStore,
    source: &Source,
    limits: &Limits,
    now: Timestamp,
) -> Result<Repository, RepositoryError> {
    let owned = store.clone();
    let joined = tokio::task::spawn_blocking(move || owned.lock()).await;
    let _lock = joined.unwrap_or_else(|error| {
        Err(RepositoryError::io("lock", store.dir())(std::io::Error::other(error)))
    })?;
    let workflow = Workflow {
        store: store.clone(),
        http: source.http.clone(),
        base: folder(&source.metadata),
        now,
        limits: *limits,
    };
    let trusted = Arc::new(workflow.refresh().await?);
    Ok(Repository { trusted, workflow, targets_url: folder(&source.targets) })
}

/// An address without a last `/` names a file; both mean the folder here.
fn folder(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

impl Repository {
    /// The version of each role, delegated ones by their name.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, u64> {
        let listed = self.trusted.snapshot.signed.meta.iter();
        let mut versions: BTreeMap<String, u64> = listed
            .map(|(file, meta)| {
                (file.strip_suffix(".json").unwrap_or(file).to_owned(), meta.version.get())
            })
            .collect();
        versions.insert("root".to_owned(), self.trusted.root.signed.version.get());
        versions.insert("timestamp".to_owned(), self.trusted.timestamp.signed.version.get());
        versions.insert("snapshot".to_owned(), self.trusted.snapshot.signed.version.get());
        versions
    }

    /// When the first of the top-level roles expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let Trusted { root, timestamp, snapshot, targets, .. } = self.trusted.as_ref();
        [timestamp.signed.expires, snapshot.signed.expires, targets.signed.expires]
            .into_iter()
            .fold(root.signed.expires, Timestamp::min)
    }

    /// The names of all targets of the top-level role; delegated roles are asked only for a name.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.trusted.targets.signed.targets.keys().map(|name| name.raw().to_owned()).collect();
        names.sort();
        names
    }

    /// The address from which a target can be fetched by whoever verifies it himself (`refit-content` does, chunk by chunk). The top-level
    /// role is asked first, then the delegated ones that may speak for the name.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchTarget`], and what reading a delegated role can meet.
    pub async fn locate(&self, name: &TargetName) -> Result<Url, RepositoryError> {
        Ok(self.wanted(name).await?.url)
    }

    /// A small target's bytes.
    ///
    /// # Errors
    /// [`RepositoryError::NoSuchTarget`], [`RepositoryError::TooLarge`] when it has more than `max`, and what a transfer can meet.
    pub async fn read(&self, name: &TargetName, max: ByteSize) -> Result<Vec<u8>, RepositoryError> {
        let wanted = self.wanted(name).await?;
        if wanted.length > max.0 {
            return Err(RepositoryError::TooLarge { what: name.to_string(), limit: max });
        }
        download::read(self.way(), &wanted).await
    }

    /// Brings a target to the file `out`, whose folder must exist. Continues what an earlier call left unfinished.
    ///
    /// # Errors
    /// As [`Repository::read`].
    pub async fn save(&self, name: &TargetName, out: &Path) -> Result<(), RepositoryError> {
        download::save(self.way(), &self.wanted(name).await?, out).await
    }

    /// Brings a target to its own name below `dir`, and returns where it is.
    ///
    /// # Errors
    /// [`RepositoryError::UnsafePlace`] when a link in `dir` would lead out of it; else as [`Repository::save`].
    pub async fn save_below(
        &self,
        name: &TargetName,
        dir: &Path,
    ) -> Result<PathBuf, RepositoryError> {
        let wanted = self.wanted(name).await?;
        std::fs::create_dir_all(dir).map_err(RepositoryError::io("create", dir))?;
        let mut place = dir.to_owned();
        let mut parts = name.as_str().split('/').peekable();
        while let Some(part) = parts.next() {
            place.push(part);
            let found = std::fs::symlink_metadata(&place);
            let is_link = found.as_ref().is_ok_and(|found| found.file_type().is_symlink());
            if is_link {
                return Err(RepositoryError::UnsafePlace { path: place });
            }
            if parts.peek().is_some() && found.is_err() {
                std::fs::create_dir(&place).map_err(RepositoryError::io("create", &place))?;
            }
        }
        download::save(self.way(), &wanted, &place).await?;
        Ok(place)
    }

    /// A pack's record, exactly the one that a plan pins.
    ///
    /// # Errors
    /// [`RepositoryError::HashMismatch`] when the repository has another under this name; as [`Repository::read`].
    pub async fn record(&self, pin: &PackPin) -> Result<PackRecord, RepositoryError> {
        let squeezed = self.squeezed(&pin.record).await;
        // The text of a large one has twenty megabytes: it is never there as a whole.
        let read = |text: &mut dyn Read| serde_json::from_reader(BufReader::new(text)).ok();
        let record = match squeezed.and_then(|bytes| unsqueezed(&bytes, &pin.digest, read)) {
            Some(record) => record,
            None => self.plain_record(pin).await?,
        };
        record::validate(&record)
            .map_err(|source| RepositoryError::Record { name: pin.record.clone(), source })?;
        Ok(record)
    }

    async fn plain_record(&self, pin: &PackPin) -> Result<PackRecord, RepositoryError> {
        let text = self.read(&pin.record, RECORD_BYTES_MAX).await?;
        let found = Digest::of(&text);
        if found != pin.digest {
            return Err(RepositoryError::HashMismatch {
                what: pin.record.to_string(),
                expected: pin.digest.to_hex(),
                found: found.to_hex(),
            });
        }
        serde_json::from_slice(&text)
            .map_err(|error| RepositoryError::malformed(pin.record.to_string(), error))
    }

    /// A record's compressed bytes, where the repository offers them.
    async fn squeezed(&self, name: &TargetName) -> Option<Vec<u8>> {
        self.read(&squeezed_name(name)?, RECORD_BYTES_MAX).await.ok()
    }

    /// A record's bytes: compressed on the way where the repository offers that, as they are otherwise.
    ///
    /// Shape: bytes that came compressed have this digest; the others are as the repository has them.
    ///
    /// # Errors
    /// As [`Repository::read`].
    pub async fn record_text(
        &self,
        name: &TargetName,
        digest: &Digest,
    ) -> Result<Vec<u8>, RepositoryError> {
        let squeezed = self.squeezed(name).await;
        let read = |text: &mut dyn Read| {
            let mut all = Vec::new();
            text.read_to_end(&mut all).ok().map(|_| all)
        };
        match squeezed.and_then(|bytes| unsqueezed(&bytes, digest, read)) {
            Some(text) => Ok(text),
            None => self.read(name, RECORD_BYTES_MAX).await,
        }
    }

    async fn wanted<'a>(&self, name: &'a TargetName) -> Result<Wanted<'a>, RepositoryError> {
        match delegations::find(&self.workflow, &self.trusted, name.as_str()).await? {
            Some(found) => self.wanted_of(name.as_str(), &found.target),
            None => Err(RepositoryError::NoSuchTarget { name: name.clone() }),
        }
    }

    pub(crate) fn way(&self) -> Way<'_> {
        Way { http: &self.workflow.http, limits: &self.workflow.limits }
    }

    /// What signed metadata says of a target. With consistent snapshots its file is `FOLDER/DIGEST.NAME`.
    pub(crate) fn wanted_of<'a>(
        &self,
        name: &'a str,
        target: &Target,
    ) -> Result<Wanted<'a>, RepositoryError> {
        let digests = Digests::of(&target.hashes)?;
        let mut url = self.targets_url.clone();
        let place = self.place_of(name, digests.first());
        url.path_segments_mut()
            .map_err(|()| {
                RepositoryError::malformed("address of the targets", "it cannot have a path")
            })?
            .pop_if_empty()
            .extend(place.split('/'));
        Ok(Wanted { name, url, length: target.length, digests })
    }

    /// The path of a target's file below the folder of targets.
    pub(crate) fn place_of(&self, name: &str, digest: &str) -> String {
        if !self.trusted.root.signed.consistent_snapshot {
            return name.to_owned();
        }
        match name.rsplit_once('/') {
            Some((folder, file)) => format!("{folder}/{digest}.{file}"),
            None => format!("{digest}.{name}"),
        }
    }
}

/// The name of a record's compressed twin.
fn squeezed_name(name: &TargetName) -> Option<TargetName> {
    TargetName::parse(format!("{name}.zst")).ok()
}

/// What is read from compressed text, if that has this digest and not more bytes than a record may have.
fn unsqueezed<T>(
    bytes: &[u8],
    digest: &Digest,
    read: impl FnOnce(&mut dyn Read) -> Option<T>,
) -> Option<T> {
    let text = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
    // What is cut off has another digest.
    let mut text = DigestReader::new(text.take(RECORD_BYTES_MAX.0));
    let found = read(&mut text)?;
    (text.finish().ok()? == *digest).then_some(found)
}
