//! Login with an access token, by form or by a one-click link.

use crate::reply::{self, Frame, Refusal};
use crate::routes::{Console, session_id};
use crate::session::{COOKIE, SESSION_SECONDS};
use askama::Template;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use refit_protocol::Problem;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "entered.html")]
struct EnteredPage {
    frame: Frame,
}

/// The token of a one-click link.
#[derive(Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
}

/// `GET /login`, `GET /login?token=…`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Query(link): Query<Link>,
) -> Response {
    match link.token {
        Some(token) => open(&console, &token).await,
        None => form(StatusCode::OK, None),
    }
}

/// `POST /login` with the field `token`.
pub(crate) async fn enter(State(console): State<Arc<Console>>, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body);
    let token = text.split('&').find_map(|pair| pair.strip_prefix("token="));
    // Tokens have only letters, digits, dots and dashes, so nothing in them is percent-encoded; blanks come from copying.
    open(&console, token.unwrap_or_default().trim_matches('+')).await
}

/// `POST /logout`.
pub(crate) async fn leave(State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    if let Some(id) = session_id(&headers) {
        console.sessions.close(&id);
    }
    with_cookie(Redirect::to("/login").into_response(), "", 0)
}

async fn open(console: &Console, token: &str) -> Response {
    match console.sessions.open(token).await {
        Ok(id) => {
            // A page that goes on by itself, not a redirect: the cookie is strict, and a redirect would still count as
            // coming from wherever the link was clicked.
            let frame = Frame { title: "Welcome".to_owned(), active: "", person: String::new() };
            with_cookie(reply::html(&EnteredPage { frame }), &id, SESSION_SECONDS)
        }
        Err(Problem { status: 401 | 403, title, .. }) => {
            form(StatusCode::UNAUTHORIZED, Some(title))
        }
        Err(problem) => Refusal(problem).into_response(),
    }
}

fn form(status: StatusCode, refused: Option<String>) -> Response {
    let frame = Frame { title: "Login".to_owned(), active: "", person: String::new() };
    reply::page(status, &LoginPage { frame, refused })
}

fn with_cookie(mut response: Response, id: &str, seconds: i64) -> Response {
    let cookie = format!("{COOKIE}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}
