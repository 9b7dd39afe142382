//! A host is let in, once per token.

use crate::{
    agents::certificate,
    app::{App, token_hash},
    body::Json,
    refusal::Answer,
};
use axum::extract::State;
use refit_protocol::agent::{EnrolRequest, EnrolResponse};

pub(super) async fn enrol(
    State(app): State<App>,
    Json(request): Json<EnrolRequest>,
) -> Answer<axum::Json<EnrolResponse>> {
    let host = request.host;
    // Signed before the token is used up: a bad request costs no token.
    let signed = certificate::sign(&app, &host, &request.csr)?;
    let now = app.now();
    let (site, role) = app.store.redeem(&token_hash(&request.token), &host, now).await?;
    app.store.enrol_host(&host, &site, &role).await?;
    certificate::note(&app, &host, &signed).await?;
    let details =
        serde_json::json!({ "host": host, "site": site, "role": role, "serial": signed.serial });
    app.store.audit(&format!("host {host}"), "host.enrol", &details.to_string(), now).await?;
    tracing::info!(%host, %site, %role, "host enrolled");
    app.changed();
    Ok(axum::Json(EnrolResponse {
        certificate: signed.pem,
        authority: app.authority.pem().to_owned(),
        tuf_root: app.depot.as_ref().map(|depot| depot.root().to_owned()).unwrap_or_default(),
        site,
        role,
    }))
}
