//! The fleet.

use super::{answers::Named, auth::Person};
use crate::{app::App, body, fleet, planning, refusal::Answer};
use axum::{Json, extract::State};
use refit_names::HostName;
use refit_protocol::v1::{FleetImport, HostImport, HostImported, HostView};

pub(super) async fn list(State(app): State<App>) -> Answer<Json<Vec<HostView>>> {
    Ok(Json(planning::host_views(&app).await?))
}

pub(super) async fn one(
    State(app): State<App>,
    Named(host): Named<HostName>,
) -> Answer<Json<HostView>> {
    Ok(Json(planning::host_view(&app, &host).await?))
}

pub(super) async fn import(
    State(app): State<App>,
    Person(person): Person,
    body::Json(import): body::Json<HostImport>,
) -> Answer<Json<HostImported>> {
    let import = FleetImport { hosts: import.hosts, ..FleetImport::default() };
    let done = fleet::import(&app, &person.name, import).await?;
    let (created, updated, unchanged) = (done.created, done.updated, done.unchanged);
    Ok(Json(HostImported { created, updated, unchanged }))
}
