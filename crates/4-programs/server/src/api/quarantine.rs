//! Builds that were rolled back on a host, and may come again once a person removed the cause.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    body,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State};
use refit_names::HostName;
use refit_protocol::{
    agent::ClearedBuild,
    v1::{ClearQuarantine, QuarantineCleared},
};
use serde_json::json;

pub(super) async fn clear(
    State(app): State<App>,
    Person(person): Person,
    Named(host): Named<HostName>,
    body::Json(asked): body::Json<ClearQuarantine>,
) -> Answer<Json<QuarantineCleared>> {
    let ClearQuarantine { product, build, reason } = asked;
    if reason.trim().is_empty() {
        let (expected, found) = ("what was done about the cause".to_owned(), "nothing".to_owned());
        return Err(Refusal::OutOfRange { field: "reason", expected, found }.into());
    }
    let missing = |what, key| Refusal::NotFound { what, key };
    let record = app.store.host(&host).await?;
    let record = record.ok_or_else(|| missing("host", host.to_string()))?;
    let seen = record.product(&product);
    let seen = seen.ok_or_else(|| missing("product", format!("{product} on host {host}")))?;
    let because = seen.quarantined.get(&build).cloned();
    let key = || format!("{build} of product {product} on host {host}");
    let because = because.ok_or_else(|| missing("build in quarantine", key()))?;
    let details = json!({ "host": host, "product": product, "build": build, "because": because, "reason": reason });
    app.audit(&person.name, "fleet.clear-quarantine", &details).await?;
    let cleared = ClearedBuild { product: product.clone(), build: build.clone() };
    app.hub.let_come_again(&host, cleared);
    app.changed();
    let reachable = app.hears(&host);
    Ok(Json(QuarantineCleared { host, product, build, because, reachable }))
}
