//! The fleet.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    body, planning,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State};
use refit_names::HostName;
use refit_protocol::v1::{HostImport, HostImported, HostView};
use std::collections::BTreeSet;

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
    let mut names = BTreeSet::new();
    if let Some(twice) = import.hosts.iter().find(|host| !names.insert(&host.name)) {
        let (expected, found) = ("each host once".to_owned(), format!("`{}` twice", twice.name));
        return Err(Refusal::OutOfRange { field: "hosts", expected, found }.into());
    }
    let done = app.store.import_hosts(&import.hosts).await?;
    app.audit(&person.name, "hosts.import", &done).await?;
    app.changed();
    Ok(Json(done))
}
