//! Dry runs of runbooks on hosts.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    body,
    refusal::{Answer, ApiError, Refusal},
};
use axum::{Json, extract::State, http::StatusCode};
use refit_names::HostName;
use refit_packs::runbook;
use refit_protocol::{
    runbook_test::RunbookTestRequest,
    v1::{NewRunbookTest, RunbookTestView},
};

/// JSON readers elsewhere keep 53 bits.
const NUMBER_BITS: u32 = 53;

pub(super) async fn ask(
    State(app): State<App>,
    Person(person): Person,
    Named(host): Named<HostName>,
    body::Json(new): body::Json<NewRunbookTest>,
) -> Answer<(StatusCode, Json<RunbookTestView>)> {
    let missing = || Refusal::NotFound { what: "host", key: host.to_string() };
    let record = app.store.host(&host).await?.ok_or_else(missing)?;
    if record.product(&new.product).is_none() {
        let key = format!("{} on host {host}", new.product);
        return Err(Refusal::NotFound { what: "product", key }.into());
    }
    // Said here with every fault, before a host is bothered.
    runbook::parse(&new.runbook)
        .map_err(|error| ApiError::of(StatusCode::UNPROCESSABLE_ENTITY, &error))?;
    let mut bytes = [0; 8];
    app.ambient.entropy.fill(&mut bytes);
    let id = u64::from_be_bytes(bytes) >> (u64::BITS - NUMBER_BITS) | 1;
    let NewRunbookTest { product, runbook, parameters } = new;
    let view = RunbookTestView {
        reachable: app.hears(&host),
        host,
        request: RunbookTestRequest { id, product, runbook, parameters },
        asked_by: person.name.clone(),
        asked_at: app.now(),
        done: None,
    };
    app.store.add_runbook_test(&view).await?;
    let details =
        serde_json::json!({ "host": view.host, "product": view.request.product, "id": id });
    app.audit(&person.name, "runbook.test", &details).await?;
    app.changed();
    Ok((StatusCode::CREATED, Json(view)))
}

pub(super) async fn one(
    State(app): State<App>,
    Named(id): Named<u64>,
) -> Answer<Json<RunbookTestView>> {
    let missing = || Refusal::NotFound { what: "dry run", key: id.to_string() };
    let mut view = app.store.runbook_test(id).await?.ok_or_else(missing)?;
    view.reachable = app.hears(&view.host);
    Ok(Json(view))
}
