//! A host is let in, once per token.

use crate::{
    app::{App, token_hash},
    authority::AgentCertificate,
    body::Json,
    refusal::{Answer, Refusal},
};
use axum::extract::State;
use refit_protocol::agent::{EnrolRequest, EnrolResponse};
use refit_store::issued::IssuedRow;

pub(super) async fn enrol(
    State(app): State<App>,
    Json(request): Json<EnrolRequest>,
) -> Answer<axum::Json<EnrolResponse>> {
    let host = request.host;
    // Signed before the token is used up: a bad request costs no token.
    let signed: AgentCertificate = app
        .authority
        .sign_agent(&request.csr, &host, &app.ambient)
        .map_err(|source| Refusal::Csr { host: host.clone(), source })?;
    let now = app.now();
    let (site, role) = app.store.redeem(&token_hash(&request.token), &host, now).await?;
    app.store.enrol_host(&host, &site, &role).await?;
    let issued = IssuedRow {
        serial: signed.serial.clone(),
        host: host.clone(),
        issued_at: now,
        not_after: signed.not_after,
    };
    app.store.add_issued(&issued).await?;
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
