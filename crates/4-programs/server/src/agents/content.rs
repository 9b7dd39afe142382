//! The mirrored repository, for hosts only: static files with ranges.

use super::Host;
use crate::{
    app::App,
    authority::Bearer,
    depot::mirror_folder,
    refusal::{Answer, Refusal},
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use refit_protocol::agent::{METADATA_PATH, TARGETS_PATH};
use tower_http::services::ServeDir;

pub(super) fn router(app: &App) -> Router<App> {
    let mirror = mirror_folder(&app.state);
    let folder =
        |name: &str| ServeDir::new(mirror.join(name)).append_index_html_on_directories(false);
    Router::new()
        .nest_service(METADATA_PATH.trim_end_matches('/'), folder("metadata"))
        .nest_service(TARGETS_PATH.trim_end_matches('/'), folder("targets"))
        .layer(middleware::from_fn_with_state(app.clone(), only_hosts))
}

async fn only_hosts(
    State(app): State<App>,
    Host(Bearer { host, .. }): Host,
    request: Request,
    next: Next,
) -> Answer<Response> {
    let told =
        app.hub.subscribe(&host).ok_or_else(|| Refusal::HostUnknown { host: host.clone() })?;
    if told.borrow().desired.retired {
        return Err(Refusal::HostRetired { host }.into());
    }
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let answer = next.run(request).await;
    match answer.status().as_u16() {
        404 => Err(Refusal::NoRoute { method, path }.into()),
        405 => Err(Refusal::MethodNotAllowed { method, path }.into()),
        _ => Ok(answer.into_response()),
    }
}
