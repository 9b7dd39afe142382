//! What a check finds: new paths for installed builds, withdrawn packs in use, metadata that are about to expire, checks that fail.
//!
//! Each finding has a key. The number of servers is not part of it: one more server of a known build is no news.

use crate::{
    api,
    app::App,
    campaign::Campaign,
    depot::{Depot, Stock},
    refusal::Answer,
    withdrawals,
};
use jiff::{SignedDuration, Timestamp};
use refit_names::{BuildId, Digest, ProductName, RolloutName};
use refit_protocol::v1::{CheckStatus, EventKind, Finding, UpdateView};
use std::collections::BTreeMap;

/// Failures in a row that people hear of: one or two are the weather.
const FAILURES_TOLD: u32 = 3;
/// Metadata that come on media are renewed by hand: a week's notice.
const NOTICE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
const NOTICE_MIN: SignedDuration = SignedDuration::from_hours(1);

/// A finding with the key under which it is told once.
pub(crate) type Keyed = (String, Finding);

/// Tells what is new to whoever wants to hear it; the answer is what was told for the first time.
pub(crate) async fn tell(app: &App, found: Vec<Keyed>) -> Answer<Vec<Finding>> {
    let mut by_kind: BTreeMap<EventKind, Vec<Keyed>> = BTreeMap::new();
    for keyed in found {
        by_kind.entry(keyed.1.kind()).or_default().push(keyed);
    }
    let channels = app.store.channels().await?;
    let mut new = Vec::new();
    for (kind, found) in by_kind {
        let wanted = channels
            .iter()
            .filter(|channel| channel.disabled.is_none() && channel.events.contains(&kind))
            .map(|channel| channel.id.clone())
            .collect::<Vec<_>>();
        let id = event_id(app);
        if let Some(event) = app.store.announce(&id, kind, &found, &wanted, app.now()).await? {
            tracing::info!(
                event = id,
                kind = kind.name(),
                findings = event.findings.len(),
                channels = wanted.len(),
                "found"
            );
            new.extend(event.findings);
            app.deliveries.notify_one();
        }
    }
    Ok(new)
}

/// A new event's identifier.
pub(crate) fn event_id(app: &App) -> String {
    format!("msg_{}", &app.ambient.token()[..32])
}

/// What a check with success finds.
pub(crate) async fn of_stock(
    app: &App,
    depot: &Depot,
    stock: &Stock,
    updates: &[UpdateView],
) -> Answer<Vec<Keyed>> {
    let mut found: Vec<Keyed> = updates.iter().flat_map(of_update).collect();
    found.extend(withdrawn(app, stock).await?);
    found.extend(expiry(depot, stock, app.now()));
    Ok(found)
}

fn of_update(update: &UpdateView) -> impl Iterator<Item = Keyed> + '_ {
    update.targets.iter().filter_map(|target| {
        let last = target.packs.last()?;
        let records: String = target.packs.iter().map(|pack| pack.record_digest.to_hex()).collect();
        let way = &Digest::of(records.as_bytes()).to_hex()[..16];
        let key = format!("update:{}:{}:{}:{way}", update.product, update.installed, target.build);
        let finding = Finding::Update {
            product: update.product.clone(),
            installed: update.installed.clone(),
            builds: target.builds.clone(),
            servers: update.servers,
            title: last.title.clone(),
            kind: last.kind,
            size: target.size,
        };
        Some((key, finding))
    })
}

async fn withdrawn(app: &App, stock: &Stock) -> Answer<Vec<Keyed>> {
    if stock.catalog.packs.iter().all(|pack| pack.withdrawn.is_none()) {
        return Ok(Vec::new());
    }
    let installed = api::installed(app).await?;
    let mut planned: BTreeMap<Digest, Vec<RolloutName>> = BTreeMap::new();
    for row in app.store.rollouts::<Campaign>().await? {
        let Some(hash) = row.body.rollout.plan().filter(|_| row.body.is_open()) else { continue };
        let plan = &app.store.plan(&hash).await?.plan;
        for pack in withdrawals::of_plan(stock, plan) {
            planned.entry(pack.record_digest).or_default().push(row.name.clone());
        }
    }
    let of_pack = |pack: &refit_packs::catalog::PackSummary| {
        let reason = pack.withdrawn.clone()?;
        let rollouts = planned.get(&pack.record_digest).cloned().unwrap_or_default();
        let servers = servers(&installed, &pack.product, &pack.to);
        if servers == 0 && rollouts.is_empty() {
            return None;
        }
        let key = format!("withdrawn:{}:{}:{}", pack.product, pack.to, pack.record_digest.to_hex());
        let (product, build) = (pack.product.clone(), pack.to.clone());
        Some((key, Finding::Withdrawn { product, build, reason, servers, rollouts }))
    };
    Ok(stock.catalog.packs.iter().filter_map(of_pack).collect())
}

fn servers(
    installed: &BTreeMap<(ProductName, BuildId), u64>,
    product: &ProductName,
    build: &BuildId,
) -> u64 {
    installed.get(&(product.clone(), build.clone())).copied().unwrap_or(0)
}

/// Expiring before the third check from now; a repository that comes on media needs more notice.
fn expiry(depot: &Depot, stock: &Stock, now: Timestamp) -> Option<Keyed> {
    let at = stock.repository.expires_at();
    let every =
        SignedDuration::from_millis(i64::try_from(depot.status().every_ms).unwrap_or(i64::MAX / 4));
    let notice = if depot.is_folder() { NOTICE_MAX } else { every.saturating_mul(3) };
    let notice = notice.clamp(NOTICE_MIN, NOTICE_MAX);
    (at.duration_since(now) < notice).then(|| (format!("expires:{at}"), Finding::Expires { at }))
}

/// What a check without success finds.
pub(crate) fn of_failure(status: &CheckStatus, problem: Option<String>) -> Option<Keyed> {
    let since = status.failing_since.filter(|_| status.failures >= FAILURES_TOLD)?;
    let problem = problem.unwrap_or_default();
    Some((format!("check-failed:{since}"), Finding::CheckFailed { since, problem }))
}
