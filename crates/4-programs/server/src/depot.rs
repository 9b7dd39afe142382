//! The server's copy of its repository: verified, mirrored for agents, kept in memory for planning.

use crate::{RepositoryOptions, ServerError, files};
use jiff::Timestamp;
use refit_content::Origin;
use refit_names::{Coded as _, Digest, chain};
use refit_packs::{
    catalog::{Catalog, PackSummary},
    manifest::Estimate,
    record::PackRecord,
};
use refit_plan::PackPin;
use refit_protocol::v1::{CheckStatus, RepositoryView};
use refit_repository::{Repository, RepositoryError, Source, TrustStore};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// What a refresh with success brought.
pub(crate) struct Stock {
    pub(crate) repository: Repository,
    pub(crate) catalog: Catalog,
    /// Without their payloads: of a large pack those are twenty megabytes, and nothing here looks at them.
    pub(crate) records: BTreeMap<Digest, PackRecord>,
    pub(crate) refreshed_at: Timestamp,
    /// Packs of the repository's catalogue whose files are not in the folder that it is read from; `catalog` is without them.
    absent: Vec<PackSummary>,
}

/// The copy with what was tried last.
pub(crate) struct Depot {
    trust: TrustStore,
    source: Source,
    mirror: PathBuf,
    /// One refresh at a time.
    turn: tokio::sync::Mutex<()>,
    /// One pack's pages at a time.
    pages: tokio::sync::Mutex<()>,
    stock: RwLock<Option<Arc<Stock>>>,
    problem: RwLock<Option<String>>,
    schedule: RwLock<CheckStatus>,
    root: String,
}

impl Depot {
    /// Opens the trust in `state`, or pins the root of the options.
    pub(crate) fn open(
        state: &Path,
        options: &RepositoryOptions,
        every: Duration,
        jitter: Duration,
    ) -> Result<Self, ServerError> {
        let root = std::fs::read_to_string(&options.root)
            .map_err(|source| ServerError::file("read", &options.root, source))?;
        let trust = TrustStore::create(&state.join("tuf"), root.as_bytes())?;
        let mirror = mirror_folder(state);
        files::private_folder(&mirror)?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(refit_repository::same_server())
            .build()
            .map_err(ServerError::authority("make the repository's HTTP client"))?;
        let source =
            Source { metadata: options.metadata.clone(), targets: options.targets.clone(), http };
        Ok(Self {
            trust,
            source,
            mirror,
            turn: tokio::sync::Mutex::new(()),
            pages: tokio::sync::Mutex::new(()),
            stock: RwLock::new(None),
            problem: RwLock::new(None),
            schedule: RwLock::new(CheckStatus {
                every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
                jitter_ms: u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX),
                last_at: None,
                last_success_at: None,
                next_at: None,
                failures: 0,
                failing_since: None,
            }),
            root,
        })
    }

    /// The pinned root, as JSON text.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// What is there, if a refresh ever had success.
    pub(crate) fn stock(&self) -> Option<Arc<Stock>> {
        self.stock.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Brings everything up to date: metadata, catalogue, records, then the mirror.
    pub(crate) async fn refresh(&self, now: Timestamp) -> Result<Arc<Stock>, RepositoryError> {
        let _turn = self.turn.lock().await;
        let brought = self.bring(now).await;
        self.looked(now, brought.is_ok());
        let mut problem = self.problem.write().unwrap_or_else(PoisonError::into_inner);
        match brought {
            Ok(stock) => {
                *problem = None;
                let stock = Arc::new(stock);
                *self.stock.write().unwrap_or_else(PoisonError::into_inner) = Some(stock.clone());
                Ok(stock)
            }
            Err(error) => {
                *problem = Some(format!("{}: {}", error.code(), chain(&error)));
                Err(error)
            }
        }
    }

    async fn bring(&self, now: Timestamp) -> Result<Stock, RepositoryError> {
        let repository = refit_repository::refresh(&self.trust, &self.source, now).await?;
        let mut catalog = repository.catalog().await?;
        let (mut records, mut absent) = (BTreeMap::new(), Vec::new());
        for pack in &catalog.packs {
            match repository.record(&pin(pack)).await {
                Ok(record) => drop(records.insert(pack.record_digest, without_payload(record))),
                // A medium holds some packs of a repository: the others are not there, which is no fault.
                Err(RepositoryError::MissingFile { .. }) if self.is_folder() => {
                    absent.push(pack.clone());
                }
                Err(error) => return Err(error),
            }
        }
        let present = |pack: &PackSummary| records.contains_key(&pack.record_digest);
        catalog.packs.retain(|pack| present(pack) || pack.withdrawn.is_some());
        absent.retain(|pack| pack.withdrawn.is_none());
        let report = if self.is_folder() {
            repository.mirror_present(&self.mirror).await?
        } else {
            repository.mirror(&self.mirror).await?
        };
        tracing::info!(
            packs = catalog.packs.len(),
            fetched = report.fetched,
            kept = report.kept,
            "repository refreshed"
        );
        Ok(Stock { repository, catalog, records, refreshed_at: now, absent })
    }

    /// Whether the repository is a folder of this machine, maybe brought on a medium.
    pub(crate) fn is_folder(&self) -> bool {
        self.source.metadata.scheme() == "file"
    }

    /// When it is looked at.
    pub(crate) fn status(&self) -> CheckStatus {
        self.schedule.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes when it is looked at next.
    pub(crate) fn next_check(&self, at: Option<Timestamp>) {
        self.schedule.write().unwrap_or_else(PoisonError::into_inner).next_at = at;
    }

    fn looked(&self, now: Timestamp, success: bool) {
        let mut schedule = self.schedule.write().unwrap_or_else(PoisonError::into_inner);
        schedule.last_at = Some(now);
        if success {
            schedule.last_success_at = Some(now);
            (schedule.failures, schedule.failing_since) = (0, None);
        } else {
            schedule.failures = schedule.failures.saturating_add(1);
            schedule.failing_since.get_or_insert(now);
        }
    }

    /// Where a pack's bundle can be read.
    pub(crate) async fn bundle(
        &self,
        stock: &Stock,
        record: &PackRecord,
    ) -> Result<Origin, RepositoryError> {
        let url = stock.repository.locate(&record.bundle.target).await?;
        Ok(Origin { http: self.source.http.clone(), url })
    }

    /// Waits for the turn to unpack pages.
    pub(crate) async fn unpacking(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.pages.lock().await
    }

    /// What people see of it.
    pub(crate) fn view(&self) -> RepositoryView {
        let stock = self.stock();
        RepositoryView {
            url: self.source.metadata.to_string(),
            refreshed_at: stock.as_ref().map(|stock| stock.refreshed_at),
            problem: self.problem.read().unwrap_or_else(PoisonError::into_inner).clone(),
            versions: stock.as_ref().map(|stock| stock.repository.versions()).unwrap_or_default(),
            expires_at: stock.as_ref().map(|stock| stock.repository.expires_at()),
            check: Some(self.status()),
            absent: stock.as_ref().map(|stock| stock.absent.clone()).unwrap_or_default(),
            packs: stock.map(|stock| stock.catalog.packs.clone()).unwrap_or_default(),
        }
    }
}

impl Stock {
    /// How long each pack takes, by its record.
    pub(crate) fn estimates(&self) -> BTreeMap<Digest, Estimate> {
        self.records.iter().map(|(digest, record)| (*digest, record.manifest.estimate)).collect()
    }
}

/// What people and plans need of a record; chunks stay where pages of the pack are made of them.
fn without_payload(mut record: PackRecord) -> PackRecord {
    record.payload = Vec::new();
    record.bundle.deltas = Vec::new();
    if record.web.is_empty() {
        record.bundle.chunks = Vec::new();
    }
    record
}

/// Where the mirror is.
pub(crate) fn mirror_folder(state: &Path) -> PathBuf {
    state.join("repository")
}

/// The pin of a published pack.
pub(crate) fn pin(pack: &PackSummary) -> PackPin {
    PackPin {
        to: pack.to.clone(),
        record: pack.record.clone(),
        digest: pack.record_digest,
        size: pack.size,
    }
}
