//! The agents' side of the server, below `/agent/v1`: enrolment, sync, the mirrored repository.

mod certificate;
pub(crate) mod content;
mod enrol;
mod sync;

use crate::{
    app::App,
    authority::Bearer,
    refusal::{Answer, ApiError, Refusal},
    tls::Peer,
};
use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::request::Parts,
    routing::post,
};
use refit_protocol::agent::{ENROL_PATH, SYNC_BODY_BYTES_MAX, SYNC_PATH};

/// Bytes of an enrolment: a signing request has less than 2 KiB.
const ENROL_BODY_BYTES_MAX: usize = 16 << 10;

/// All routes of agents.
pub(crate) fn router(app: &App) -> Router<App> {
    Router::new()
        .route(ENROL_PATH, post(enrol::enrol).layer(DefaultBodyLimit::max(ENROL_BODY_BYTES_MAX)))
        .route(SYNC_PATH, post(sync::sync).layer(DefaultBodyLimit::max(SYNC_BODY_BYTES_MAX)))
        .merge(content::router(app))
}

/// The host at the other end: its certificate was verified in the handshake.
pub(crate) struct Host(pub(crate) Bearer);

impl FromRequestParts<App> for Host {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Answer<Self> {
        let peer = Extension::<Peer>::from_request_parts(parts, &()).await.ok();
        let bearer = peer.and_then(|Extension(Peer(bearer))| bearer);
        bearer.map(Self).ok_or_else(|| Refusal::NoCertificate.into())
    }
}
