//! Hosts as people see them, chosen by an expression.

use crate::{
    app::App,
    refusal::{Answer, Refusal},
    risk::Surroundings,
};
use refit_expression::{Expression, ExpressionError, HostSubject, host_vocabulary, select_hosts};
use refit_inventory::{HostRecord, Lifecycle};
use refit_names::HostName;
use refit_protocol::v1::{HostPage, HostRisk, HostView};
use refit_risk::RiskStatus;

/// Hosts after one by name that the expression names, of at most `limit` that are looked at.
pub(crate) async fn page(
    app: &App,
    filter: Option<&str>,
    after: Option<&HostName>,
    limit: u64,
) -> Answer<HostPage> {
    check(filter)?;
    let records = app.store.hosts_after(after, limit).await?;
    let full = u64::try_from(records.len()).is_ok_and(|found| found == limit);
    let next = records.last().filter(|_| full).map(|last| last.name.clone());
    let around = Surroundings::of(app).await?;
    Ok(HostPage { hosts: chosen(app, &around, records, filter)?, next })
}

/// All hosts that the expression names.
pub(crate) async fn all(app: &App, filter: Option<&str>) -> Answer<Vec<HostView>> {
    check(filter)?;
    let records = app.store.hosts().await?;
    chosen(app, &Surroundings::of(app).await?, records, filter)
}

/// Risks of the active hosts that the expression names, the riskiest first.
pub(crate) async fn risks(app: &App, filter: Option<&str>) -> Answer<Vec<HostRisk>> {
    check(filter)?;
    let around = Surroundings::of(app).await?;
    let hosts = chosen(app, &around, app.store.hosts().await?, filter)?;
    let active = hosts.into_iter().filter(|host| host.record.lifecycle == Lifecycle::Active);
    let traced = |host: HostView| around.traced(&host.record, host.risk);
    let mut risks: Vec<HostRisk> = active.map(traced).collect();
    risks.sort_by(|a, b| (b.risk.score, &a.host).cmp(&(a.risk.score, &b.host)));
    Ok(risks)
}

/// The risk of one host.
pub(crate) async fn risk_of(app: &App, name: &HostName) -> Answer<HostRisk> {
    let missing = || Refusal::NotFound { what: "host", key: name.to_string() };
    let record = app.store.host(name).await?.ok_or_else(missing)?;
    Ok(Surroundings::of(app).await?.view(app, &record))
}

/// Refuses a wrong expression before any host is looked at.
fn check(filter: Option<&str>) -> Result<(), ExpressionError> {
    match filter.filter(|text| !text.trim().is_empty()) {
        Some(text) => Expression::condition(text, &host_vocabulary()).map(drop),
        None => Ok(()),
    }
}

fn chosen(
    app: &App,
    around: &Surroundings,
    records: Vec<HostRecord>,
    filter: Option<&str>,
) -> Answer<Vec<HostView>> {
    let view = |mut record: HostRecord| {
        record.last_seen = app.last_seen(&record);
        let risk = around.score(app, &record, None);
        HostView { reachable: app.is_reachable(record.last_seen), record, risk }
    };
    let mut views: Vec<HostView> = records.into_iter().map(view).collect();
    let Some(text) = filter.filter(|text| !text.trim().is_empty()) else { return Ok(views) };
    let now = app.now();
    let open_risks = |host: &HostView| {
        let stated = around.entries_of(&host.record.name);
        let open = stated.iter().filter(|entry| entry.status == RiskStatus::Open).count();
        u32::try_from(open).unwrap_or(u32::MAX)
    };
    let subjects: Vec<HostSubject<'_>> = views
        .iter()
        .map(|host| HostSubject {
            record: &host.record,
            reachable: host.reachable,
            risk: host.risk.score,
            open_risks: open_risks(host),
            now,
        })
        .collect();
    let mut holds = select_hosts(text, &subjects)?.into_iter();
    drop(subjects);
    views.retain(|_| holds.next().unwrap_or(false));
    Ok(views)
}
