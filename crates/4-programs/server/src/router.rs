//! All routes together, with what surrounds every request: limits of time, caught panics, problems for what does not exist.

use crate::{
    agents, api,
    app::App,
    refusal::{ApiError, Refusal},
};
use axum::{
    Router,
    extract::{Request, State},
    http::{Method, Uri},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use refit_protocol::agent::{SYNC_PATH, TARGETS_PATH, WAIT_MS_MAX};
use std::{any::Any, time::Duration};
use tower_http::catch_panic::CatchPanicLayer;

/// Requests of people: a large plan or a certificate takes seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The TLS door: agents, API, health, and the console for everything else.
pub(crate) fn router(app: &App, console: Router) -> Router {
    let ours: Router<App> = Router::new()
        .merge(agents::router(app))
        .merge(api::router(app))
        .merge(api::health())
        .nest(refit_protocol::v1::PREFIX, Router::new().fallback(no_route))
        .nest("/agent", Router::new().fallback(no_route))
        .method_not_allowed_fallback(wrong_method);
    ours.fallback_service(console)
        .layer(middleware::from_fn_with_state(app.clone(), in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(app.clone())
}

async fn no_route(method: Method, uri: Uri) -> ApiError {
    Refusal::NoRoute { method: method.to_string(), path: uri.path().to_owned() }.into()
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    Refusal::MethodNotAllowed { method: method.to_string(), path: uri.path().to_owned() }.into()
}

/// Ends requests that take too long. Only answers are measured, not the bodies that stream after them.
async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let limit = match request.uri().path() {
        SYNC_PATH => Duration::from_millis(WAIT_MS_MAX) + TIMEOUT,
        path if path.starts_with(TARGETS_PATH) => TIMEOUT * 10,
        // Certificates are typeset in turns.
        path if path.ends_with("/sign") || path.ends_with(".pdf") => TIMEOUT * 5,
        _ => TIMEOUT,
    };
    tokio::select! {
        answer = next.run(request) => answer,
        () = app.ambient.clock.sleep(limit) => {
            ApiError::from(Refusal::TooSlow { seconds: limit.as_secs() }).into_response()
        }
    }
}

fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no text");
    tracing::error!(text, "a handler panicked");
    ApiError::from(Refusal::Bug).into_response()
}
