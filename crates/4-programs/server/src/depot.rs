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
use refit_protocol::v1::RepositoryView;
use refit_repository::{Repository, RepositoryError, Source, TrustStore};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

/// What a refresh with success brought.
pub(crate) struct Stock {
    pub(crate) repository: Repository,
    pub(crate) catalog: Catalog,
    pub(crate) records: BTreeMap<Digest, PackRecord>,
    refreshed_at: Timestamp,
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
    root: String,
}

impl Depot {
    /// Opens the trust in `state`, or pins the root of the options.
    pub(crate) fn open(state: &Path, options: &RepositoryOptions) -> Result<Self, ServerError> {
        let root = std::fs::read_to_string(&options.root)
            .map_err(|source| ServerError::file("read", &options.root, source))?;
        let trust = TrustStore::create(&state.join("tuf"), root.as_bytes())?;
        let mirror = mirror_folder(state);
        files::private_folder(&mirror)?;
        let http = reqwest::Client::builder()
            .connect_timeout(std::time::Duration::from_secs(10))
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
        let catalog = repository.catalog().await?;
        let mut records = BTreeMap::new();
        for pack in &catalog.packs {
            records.insert(pack.record_digest, repository.record(&pin(pack)).await?);
        }
        let report = repository.mirror(&self.mirror).await?;
        tracing::info!(
            packs = catalog.packs.len(),
            fetched = report.fetched,
            kept = report.kept,
            "repository refreshed"
        );
        Ok(Stock { repository, catalog, records, refreshed_at: now })
    }

    /// Where a pack's bundle can be read.
    pub(crate) fn bundle(
        &self,
        stock: &Stock,
        record: &PackRecord,
    ) -> Result<Origin, RepositoryError> {
        let url = stock.repository.locate(&record.bundle.target)?;
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
