//! Addresses, and who may see what is behind them.

use crate::live;
use crate::pages::{
    certificates, fleet, login, packs, papers, risk, rollout_host, rollouts, updates, windows,
};
use crate::reply::{self, Refusal};
use crate::session::{COOKIE, Person, Sessions};
use crate::source::ConsoleSource;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::http::header::COOKIE as COOKIE_HEADER;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use refit_ambient::Ambient;
use std::sync::Arc;

/// Longest body that is read: a login form.
const BODY_BYTES_MAX: usize = 4 << 10;

/// What every page gets.
pub(crate) struct Console {
    pub(crate) source: Arc<dyn ConsoleSource>,
    pub(crate) ambient: Ambient,
    pub(crate) sessions: Sessions,
}

/// Builds the console. The caller listens, on loopback or behind TLS.
pub fn router(source: Arc<dyn ConsoleSource>, ambient: Ambient) -> Router {
    let sessions = Sessions::new(source.clone(), ambient.clone());
    let console = Arc::new(Console { source, ambient, sessions });
    let private = Router::new()
        .route("/", get(|| async { Redirect::to("/rollouts") }))
        .route("/logout", post(login::leave))
        .route("/rollouts", get(rollouts::list))
        .route("/rollouts/{name}", get(rollouts::show))
        .route("/rollouts/{name}/events", get(live::events))
        .route("/rollouts/{name}/hosts/{host}", get(rollout_host::show))
        .route("/rollouts/{name}/hosts/{host}/certificate.json", get(certificates::json))
        .route("/rollouts/{name}/hosts/{host}/certificate.pdf", get(certificates::pdf))
        .route("/rollouts/{name}/papers/{file}", get(papers::file))
        .route("/fleet", get(fleet::list))
        .route("/fleet/{host}", get(fleet::show))
        .route("/risk", get(risk::show))
        .route("/updates", get(updates::list))
        .route("/windows", get(windows::list))
        .route("/packs/{record}", get(packs::show))
        .route("/certificates", get(certificates::list))
        .route("/signoff.pub.pem", get(certificates::key))
        .route_layer(from_fn_with_state(console.clone(), need_session));
    Router::new()
        .route("/login", get(login::show).post(login::enter))
        .route("/static/console.css", get(style))
        .route("/static/console.js", get(script))
        .route("/pack-pages/{key}/{record}/{*path}", get(packs::file))
        .merge(private)
        .fallback(|| async { reply::not_found("the address leads nowhere") })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(console)
}

/// Lets only people through who are logged in; all others are sent to the login page.
async fn need_session(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(id) = session_id(request.headers()) else {
        return Redirect::to("/login").into_response();
    };
    match console.sessions.person(&id).await {
        Ok(person) => {
            request.extensions_mut().insert::<Person>(person);
            next.run(request).await
        }
        Err(problem) if problem.status == 401 => Redirect::to("/login").into_response(),
        Err(problem) => Refusal(problem).into_response(),
    }
}

/// The session's id in the request's cookies.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(COOKIE_HEADER).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, id)| id.to_owned())
}

async fn style() -> Response {
    reply::asset("text/css; charset=utf-8", include_str!("../static/console.css"))
}

async fn script() -> Response {
    reply::asset("text/javascript; charset=utf-8", include_str!("../static/console.js"))
}
