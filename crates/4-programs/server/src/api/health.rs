//! Whether the server lives and whether it can work. Open to everybody; says nothing else.

use crate::{app::App, refusal::Answer};
use axum::{Router, extract::State, routing::get};

/// `/healthz` and `/readyz`.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready))
}

async fn ready(State(app): State<App>) -> Answer<&'static str> {
    app.store.ping().await?;
    Ok("ready\n")
}
