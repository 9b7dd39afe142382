//! The host's side as a process of its own: what the agent does to have the new release beside the old one.

use anyhow::{Context, Result};
use refit_content::{FetchOptions, Fetched, Origin, Realise, assemble, fetch_with};
use refit_plan::PackPin;
use refit_repository::{Source, TrustStore, refresh};
use std::path::{Path, PathBuf};
use url::Url;

/// Refreshes the repository at `base` under `root`, and makes `state/release` from `old`.
pub async fn run(base: &str, root: &Path, old: &Path, state: &Path) -> Result<()> {
    let trust = TrustStore::create(&state.join("tuf"), &std::fs::read(root)?)?;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let source = Source {
        metadata: Url::parse(&format!("{base}/metadata/"))?,
        targets: Url::parse(&format!("{base}/targets/"))?,
        http: http.clone(),
    };
    let repository = refresh(&trust, &source, jiff::Timestamp::now()).await?;
    let catalog = repository.catalog().await?;
    let pack = catalog.packs.first().context("the repository is empty")?;
    let pin = PackPin {
        to: pack.to.clone(),
        record: pack.record.clone(),
        digest: pack.record_digest,
        size: pack.size,
    };
    let record = repository.record(&pin).await?;
    let origin = Origin { http, url: repository.locate(&record.bundle.target).await? };
    let (into, cache) = (state.join("release"), state.join("cache"));
    // A folder with nothing in it is a host that has no release yet.
    let has_old = std::fs::read_dir(old)?.next().is_some();
    let seeds: Vec<PathBuf> = has_old.then(|| old.to_owned()).into_iter().collect();
    let job = Realise {
        entries: &record.payload,
        bundle: &record.bundle,
        seeds: &seeds,
        into: &into,
        cache: &cache,
        progress: &|_: Fetched| (),
    };
    let from: Vec<_> = record.manifest.from.iter().cloned().collect();
    let options = FetchOptions { from: &from, ..FetchOptions::default() };
    let report = fetch_with(&origin, &job, &options).await?;
    anyhow::ensure!(report.fell_back.is_empty(), "{report:?}");
    assemble(&job)?;
    Ok(())
}
