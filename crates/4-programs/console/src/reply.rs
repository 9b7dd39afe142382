//! How answers leave: with headers that allow as little as possible, and problems as pages.

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use refit_protocol::Problem;

/// What pages of the console may do: their own style, script, connections and frames, nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What static pages of packs may do: be looked at. The sandbox has no script, no forms, no origin of its own.
const PACK_POLICY: &str = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
    font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// What every page shows around its content.
pub(crate) struct Frame {
    /// In the window's title.
    pub(crate) title: String,
    /// Which entry of the menu it belongs to.
    pub(crate) active: &'static str,
    /// Who looks at it; empty before the login.
    pub(crate) person: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    problem: Problem,
}

/// An answer that is not a page: the problem, told as one.
pub(crate) struct Refusal(pub(crate) Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let frame = Frame { title: self.0.title.clone(), active: "", person: String::new() };
        page(status, &ProblemPage { frame, problem: self.0 })
    }
}

/// A problem of the console's own.
pub(crate) fn refuse(code: &str, status: u16, title: &str, detail: impl Into<String>) -> Refusal {
    Refusal(Problem::new(code, status, title, detail))
}

/// A name in the address that names nothing.
pub(crate) fn not_found(detail: impl Into<String>) -> Refusal {
    refuse("console.not-found", 404, "there is no such page", detail)
}

/// A page with status 200.
pub(crate) fn html(template: &impl Template) -> Response {
    page(StatusCode::OK, template)
}

/// A page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => answer(status, "text/html; charset=utf-8", POLICY, text.into()),
        // Rendering into memory fails only when a template is wrong; there is no page that could say so.
        Err(_) => {
            answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", POLICY, "page failed".into())
        }
    }
}

/// A file of the console itself.
pub(crate) fn asset(kind: &'static str, text: &'static str) -> Response {
    answer(StatusCode::OK, kind, POLICY, text.into())
}

/// A file to be kept, under `name`, which must be a plain name.
pub(crate) fn download(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let mut response = answer(StatusCode::OK, kind, POLICY, bytes.into());
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || " .-_+".contains(c) { c } else { '_' })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"")) {
        response.headers_mut().insert("content-disposition", value);
    }
    response
}

/// A file of a pack's static pages.
pub(crate) fn pack_file(path: &str, bytes: Vec<u8>) -> Response {
    let kind = match path.rsplit('.').next().unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    };
    answer(StatusCode::OK, kind, PACK_POLICY, bytes.into())
}

fn answer(status: StatusCode, kind: &'static str, policy: &'static str, body: Body) -> Response {
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address of a pack's page holds a key; a login link holds a token.
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
