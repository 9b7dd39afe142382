//! What people state of hosts, sites, clusters and engineers.

use super::{
    answers::{Asked, Named},
    auth::Person,
};
use crate::{
    app::App,
    body, fleet, hosts,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State};
use refit_inventory::{FleetFault, RecordKind};
use refit_names::{HostName, PersonName, SiteName};
use refit_protocol::v1::{
    ChangeView, FleetImport, FleetImported, FleetRecords, HostPage, HostSet, Reason,
};
use refit_store::fleet::Keep;
use serde::Deserialize;

pub(super) async fn import(
    State(app): State<App>,
    Person(person): Person,
    body::Json(import): body::Json<FleetImport>,
) -> Answer<Json<FleetImported>> {
    Ok(Json(fleet::import(&app, &person.name, import).await?))
}

pub(super) async fn records(State(app): State<App>) -> Answer<Json<FleetRecords>> {
    Ok(Json(FleetRecords {
        sites: app.store.sites().await?,
        clusters: app.store.clusters().await?,
        engineers: app.store.engineers().await?,
        hosts: app.store.said_hosts().await?,
    }))
}

/// Which hosts are asked for.
#[derive(Deserialize)]
pub(super) struct PageQuery {
    #[serde(default, rename = "where")]
    filter: Option<String>,
    #[serde(default)]
    after: Option<HostName>,
    #[serde(default)]
    limit: Option<u64>,
}

/// Hosts looked at for one answer: what a page of them needs stays a few MiB.
const PAGE_MAX: u64 = 2000;

pub(super) async fn page(
    State(app): State<App>,
    Asked(query): Asked<PageQuery>,
) -> Answer<Json<HostPage>> {
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let page = hosts::page(&app, query.filter.as_deref(), query.after.as_ref(), limit);
    Ok(Json(page.await?))
}

pub(super) async fn set(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<HostName>,
    body::Json(set): body::Json<HostSet>,
) -> Answer<Json<FleetImported>> {
    let keep = if set.dry_run { Keep::Try } else { Keep::Yes };
    let work = fleet::change(&app, &person.name, keep, "fleet.set", |records, said| {
        let mut host = fleet::host_of(records, &name)?;
        let mut taken = fleet::Taken { given: 1, ..fleet::Taken::default() };
        for (field, text) in &set.fields {
            let wrong = if *field == refit_inventory::HostField::Name {
                Err("a host's name is its identity and cannot be set".to_owned())
            } else {
                host.set_field(*field, text, said)
            };
            if let Err(text) = wrong {
                let (kind, name) = (RecordKind::Host, name.to_string());
                taken.faults.push(FleetFault { kind, name, field: field.to_string(), text });
            }
        }
        let before = records.hosts().get(&name).cloned();
        host.date(before.as_ref(), said);
        records.put_host(host);
        Ok(taken)
    });
    Ok(Json(work.await?))
}

pub(super) async fn retire(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<HostName>,
    body::Json(why): body::Json<Reason>,
) -> Answer<Json<FleetImported>> {
    if why.reason.trim().is_empty() {
        let (expected, found) = ("why it is retired".to_owned(), "nothing".to_owned());
        return Err(Refusal::OutOfRange { field: "reason", expected, found }.into());
    }
    Ok(Json(retirement(&app, &person.name, &name, Some(why.reason)).await?))
}

pub(super) async fn unretire(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<HostName>,
) -> Answer<Json<FleetImported>> {
    Ok(Json(retirement(&app, &person.name, &name, None).await?))
}

async fn retirement(
    app: &App,
    person: &PersonName,
    name: &HostName,
    reason: Option<String>,
) -> Answer<FleetImported> {
    let what = if reason.is_some() { "fleet.retire" } else { "fleet.unretire" };
    fleet::change(app, person, Keep::Yes, what, |records, said| {
        let mut host = fleet::host_of(records, name)?;
        host.retire(reason, said);
        records.put_host(host);
        Ok(fleet::Taken { given: 1, ..fleet::Taken::default() })
    })
    .await
}

pub(super) async fn changes(
    State(app): State<App>,
    Named(name): Named<HostName>,
) -> Answer<Json<Vec<ChangeView>>> {
    let rows = app.store.changes_of(RecordKind::Host, name.as_str()).await?;
    let view = |row: refit_store::fleet::ChangeRow| ChangeView {
        at: row.at,
        who: row.who,
        change: row.change,
    };
    Ok(Json(rows.into_iter().map(view).collect()))
}

pub(super) async fn remove_site(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<SiteName>,
) -> Answer<Json<FleetImported>> {
    remove(&app, &person.name, ("site", name.to_string()), |records| records.remove_site(&name))
        .await
}

pub(super) async fn remove_cluster(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<String>,
) -> Answer<Json<FleetImported>> {
    let key = ("cluster", name.clone());
    remove(&app, &person.name, key, |records| records.remove_cluster(&name)).await
}

pub(super) async fn remove_engineer(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<PersonName>,
) -> Answer<Json<FleetImported>> {
    let key = ("engineer", name.to_string());
    remove(&app, &person.name, key, |records| records.remove_engineer(&name)).await
}

async fn remove(
    app: &App,
    person: &PersonName,
    (what, key): (&'static str, String),
    take: impl FnOnce(&mut refit_inventory::Fleet) -> bool,
) -> Answer<Json<FleetImported>> {
    let done = fleet::change(app, person, Keep::Yes, "fleet.remove", |records, _| {
        if !take(records) {
            return Err(Refusal::NotFound { what, key }.into());
        }
        Ok(fleet::Taken { given: 1, ..fleet::Taken::default() })
    });
    Ok(Json(done.await?))
}
