//! Certificates of hosts: the first for a token, each later one for the one before.

use crate::{
    app::App,
    authority::{AgentCertificate, Bearer},
    refusal::{Answer, Refusal},
};
use refit_names::HostName;
use refit_store::issued::IssuedRow;

/// Signs a host's request. Nothing is noted yet.
pub(super) fn sign(app: &App, host: &HostName, csr: &str) -> Answer<AgentCertificate> {
    let signed = app.authority.sign_agent(csr, host, &app.ambient);
    Ok(signed.map_err(|source| Refusal::Csr { host: host.clone(), source })?)
}

/// Notes a certificate before it is given out.
pub(super) async fn note(app: &App, host: &HostName, signed: &AgentCertificate) -> Answer<()> {
    let issued = IssuedRow {
        serial: signed.serial.clone(),
        host: host.clone(),
        issued_at: app.now(),
        not_after: signed.not_after,
    };
    Ok(app.store.add_issued(&issued).await?)
}

/// The next certificate, PEM, of a host whose own ends soon; none for anybody else.
pub(super) async fn renew(app: &App, bearer: &Bearer, csr: Option<&str>) -> Answer<Option<String>> {
    let host = &bearer.host;
    let Some(csr) = csr.filter(|_| bearer.ends_soon(app.now())) else { return Ok(None) };
    let signed = sign(app, host, csr)?;
    note(app, host, &signed).await?;
    let details = serde_json::json!({ "host": host, "serial": signed.serial }).to_string();
    app.store.audit(&format!("host {host}"), "host.renew", &details, app.now()).await?;
    tracing::info!(%host, until = %signed.not_after, "certificate renewed");
    Ok(Some(signed.pem))
}
