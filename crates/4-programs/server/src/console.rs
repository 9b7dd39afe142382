//! What the console shows: the same services as the API, no private door to the database.

use crate::{
    api,
    app::App,
    calendar, certificates,
    depot::{Depot, Stock},
    hosts, papers, planning,
    refusal::{Answer, ApiError, Refusal},
    tls::stopped,
    views,
};
use async_trait::async_trait;
use refit_console::{Answer as Shown, ConsoleSource, PackPage};
use refit_content::{ContentError, Realise};
use refit_names::{Digest, HostName, RolloutName, TreePath};
use refit_packs::record::{PackRecord, TreeNode};
use refit_plan::Freeze;
use refit_protocol::v1::{
    CertificateView, EventView, HostRisk, HostView, PlanView, RepositoryView, RolloutView,
    UpdateView, Whoami, WhyView, WindowView,
};
use std::{path::PathBuf, sync::Arc};

/// Events that a page shows.
const EVENTS_SHOWN: u64 = 20;

/// The console's view of the server.
pub(crate) struct Source(pub(crate) App);

#[async_trait]
impl ConsoleSource for Source {
    async fn whoami(&self, token: &str) -> Shown<Whoami> {
        Ok(api::person_of(&self.0, token).await?)
    }
    async fn rollouts(&self) -> Shown<Vec<RolloutView>> {
        Ok(views::rollouts(&self.0).await?)
    }
    async fn rollout(&self, name: &RolloutName) -> Shown<RolloutView> {
        Ok(views::rollout(&self.0, name).await?)
    }
    async fn plan(&self, name: &RolloutName) -> Shown<Option<PlanView>> {
        if views::rollout(&self.0, name).await?.plan.is_none() {
            return Ok(None);
        }
        Ok(Some(planning::view(planning::current(&self.0, name).await?)))
    }
    async fn why(&self, name: &RolloutName, host: &HostName) -> Shown<WhyView> {
        Ok(views::why(&self.0, name, host).await?)
    }
    async fn changed(&self) {
        let mut changes = self.0.changes.subscribe();
        let mut stop = self.0.stop.clone();
        tokio::select! {
            _ = changes.changed() => {}
            () = stopped(&mut stop) => {}
        }
    }
    async fn hosts(&self, filter: Option<&str>) -> Shown<Vec<HostView>> {
        Ok(hosts::all(&self.0, filter).await?)
    }
    async fn host_risk(&self, name: &HostName) -> Shown<HostRisk> {
        Ok(hosts::risk_of(&self.0, name).await?)
    }
    async fn risks(&self, filter: Option<&str>) -> Shown<Vec<HostRisk>> {
        Ok(hosts::risks(&self.0, filter).await?)
    }
    async fn host(&self, name: &HostName) -> Shown<HostView> {
        Ok(planning::host_view(&self.0, name).await?)
    }
    async fn updates(&self) -> Shown<Vec<UpdateView>> {
        Ok(api::available(&self.0).await?)
    }
    async fn notifications(&self) -> Shown<Vec<EventView>> {
        Ok(api::newest(&self.0, EVENTS_SHOWN).await?)
    }
    async fn windows(&self) -> Shown<Vec<WindowView>> {
        Ok(calendar::views(&self.0).await?)
    }
    async fn freezes(&self) -> Shown<Vec<Freeze>> {
        Ok(calendar::load(&self.0).await?.freezes().to_vec())
    }
    async fn repository(&self) -> Shown<RepositoryView> {
        let depot = self.0.depot.as_ref().ok_or(Refusal::NoRepository).map_err(ApiError::from)?;
        Ok(depot.view())
    }
    async fn pack(&self, record: &Digest) -> Shown<PackPage> {
        let stock = self.0.stock().map_err(ApiError::from)?;
        let found = pack(&stock, record)?;
        let summary = stock.catalog.packs.iter().find(|pack| pack.record_digest == *record);
        let missing = || ApiError::from(no_pack(record));
        Ok(PackPage {
            summary: summary.ok_or_else(missing)?.clone(),
            readme: found.readme.clone(),
            web: files(found).cloned().collect(),
        })
    }
    async fn pack_file(&self, record: &Digest, path: &TreePath) -> Shown<Vec<u8>> {
        Ok(page(&self.0, record, path).await?)
    }
    async fn certificates(&self, name: &RolloutName) -> Shown<Vec<CertificateView>> {
        Ok(certificates::list(&self.0, name).await?)
    }
    async fn certificate_json(&self, name: &RolloutName, host: &HostName) -> Shown<Vec<u8>> {
        Ok(certificates::envelope(&self.0, name, host).await?)
    }
    async fn certificate_pdf(&self, name: &RolloutName, host: &HostName) -> Shown<Vec<u8>> {
        Ok(certificates::pages(&self.0, name, host).await?)
    }
    async fn paper(&self, name: &RolloutName, file: &str) -> Shown<Vec<u8>> {
        Ok(papers::file(&self.0, name, file).await?)
    }
    async fn signing_key(&self) -> Shown<String> {
        Ok(certificates::signing_key(&self.0))
    }
}

fn no_pack(record: &Digest) -> Refusal {
    Refusal::NotFound { what: "pack", key: record.to_string() }
}

fn pack<'a>(stock: &'a Stock, record: &Digest) -> Result<&'a PackRecord, ApiError> {
    stock.records.get(record).ok_or_else(|| no_pack(record).into())
}

fn files(record: &PackRecord) -> impl Iterator<Item = &TreePath> {
    let file = |node: &TreeNode| matches!(node, TreeNode::File { .. });
    record.web.iter().filter(move |entry| file(&entry.node)).map(|entry| &entry.path)
}

/// One of a pack's static pages. All of a pack's pages are unpacked, verified, when the first is asked for.
async fn page(app: &App, digest: &Digest, path: &TreePath) -> Answer<Vec<u8>> {
    let depot = app.depot.as_ref().ok_or(Refusal::NoRepository)?;
    let stock = app.stock()?;
    let missing = || Refusal::NotFound { what: "page", key: path.to_string() };
    if !files(pack(&stock, digest)?).any(|file| file == path) {
        return Err(missing().into());
    }
    let folder = app.state.join("pages").join(digest.to_hex());
    if !folder.is_dir() {
        unpack(app, depot, &stock, digest, folder.clone()).await?;
    }
    tokio::fs::read(folder.join(path.as_str())).await.map_err(|error| {
        tracing::error!(page = %path, error = refit_names::chain(&error), "page of a pack was not read");
        missing().into()
    })
}

async fn unpack(
    app: &App,
    depot: &Depot,
    stock: &Arc<Stock>,
    digest: &Digest,
    into: PathBuf,
) -> Answer<()> {
    let record = pack(stock, digest)?.clone();
    let origin = depot.bundle(stock, &record).await?;
    let _turn = depot.unpacking().await;
    let cache = app.state.join("pages-cache").join(digest.to_hex());
    let realise = Realise {
        entries: &record.web,
        bundle: &record.bundle,
        seeds: &[],
        into: &into,
        cache: &cache,
        progress: &|_| {},
    };
    let unpacked: Result<(), ContentError> = async {
        refit_content::fetch(&origin, &realise).await?;
        refit_content::assemble(&realise)
    }
    .await;
    Ok(unpacked?)
}
