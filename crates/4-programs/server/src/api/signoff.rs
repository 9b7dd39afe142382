//! Sign-off and certificates.

use super::{answers::Named, auth::Person};
use crate::{app::App, body, certificates, refusal::Answer};
use axum::{
    Json,
    extract::State,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::IntoResponse,
};
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{CertificateView, SignOff};

pub(super) async fn sign(
    State(app): State<App>,
    Person(person): Person,
    Named((name, host)): Named<(RolloutName, HostName)>,
    body::Json(act): body::Json<SignOff>,
) -> Answer<Json<CertificateView>> {
    Ok(Json(certificates::sign(&app, &person, &name, &host, &act).await?))
}

pub(super) async fn list(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<Json<Vec<CertificateView>>> {
    Ok(Json(certificates::list(&app, &name).await?))
}

pub(super) async fn envelope(
    State(app): State<App>,
    Named((name, host)): Named<(RolloutName, HostName)>,
) -> Answer<impl IntoResponse> {
    let envelope = certificates::envelope(&app, &name, &host).await?;
    Ok(([(CONTENT_TYPE, "application/vnd.dsse+json")], envelope))
}

pub(super) async fn pages(
    State(app): State<App>,
    Named((name, host)): Named<(RolloutName, HostName)>,
) -> Answer<impl IntoResponse> {
    let pages = certificates::pages(&app, &name, &host).await?;
    let file = format!("inline; filename=\"{name}-{host}.pdf\"");
    Ok(([(CONTENT_TYPE, "application/pdf".to_owned()), (CONTENT_DISPOSITION, file)], pages))
}

pub(super) async fn key(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/x-pem-file")], certificates::signing_key(&app))
}
