//! Windows, freezes and feeds.

use super::{
    answers::{Asked, Named},
    auth::Person,
};
use crate::{
    app::App,
    body, calendar,
    refusal::{Answer, Refusal},
};
use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use refit_names::WindowName;
use refit_plan::Freeze;
use refit_protocol::v1::{
    FeedCreated, FeedQuery, FeedView, NewFeed, OpeningsQuery, OpeningsView, Removed, Right,
    WindowView, WindowsChanged, WindowsPut,
};

pub(super) async fn list(State(app): State<App>) -> Answer<Json<Vec<WindowView>>> {
    Ok(Json(calendar::views(&app).await?))
}

pub(super) async fn put(
    State(app): State<App>,
    Person(person): Person,
    body::Json(put): body::Json<WindowsPut>,
) -> Answer<Json<WindowsChanged>> {
    Ok(Json(calendar::put(&app, &person.name, put).await?))
}

pub(super) async fn remove(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<WindowName>,
) -> Answer<Json<Removed>> {
    Ok(Json(calendar::remove(&app, &person.name, &name).await?))
}

pub(super) async fn openings(
    State(app): State<App>,
    Named(name): Named<WindowName>,
    Asked(query): Asked<OpeningsQuery>,
) -> Answer<Json<OpeningsView>> {
    Ok(Json(calendar::openings(&app, &name, &query).await?))
}

pub(super) async fn freezes(State(app): State<App>) -> Answer<Json<Vec<Freeze>>> {
    Ok(Json(calendar::load(&app).await?.freezes().to_vec()))
}

pub(super) async fn add_freeze(
    State(app): State<App>,
    Person(person): Person,
    body::Json(freeze): body::Json<Freeze>,
) -> Answer<(StatusCode, Json<Freeze>)> {
    let freeze = calendar::add_freeze(&app, &person.name, freeze).await?;
    Ok((StatusCode::CREATED, Json(freeze)))
}

pub(super) async fn remove_freeze(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<String>,
) -> Answer<Json<Removed>> {
    Ok(Json(calendar::remove_freeze(&app, &person.name, &name).await?))
}

/// With a secret the feed that it belongs to; with a bearer token whatever is asked for.
pub(super) async fn feed(
    State(app): State<App>,
    known: Option<Extension<FeedView>>,
    Asked(query): Asked<SecretQuery>,
) -> Answer<impl IntoResponse> {
    let of =
        known.map_or(FeedQuery { person: query.person, rollout: query.rollout }, |view| view.0.of);
    let text = calendar::feed(&app, &of).await?;
    Ok(([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], text))
}

/// What stands behind the question mark of a feed's address.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretQuery {
    #[serde(default)]
    person: Option<refit_names::PersonName>,
    #[serde(default)]
    rollout: Option<refit_names::RolloutName>,
    /// Read by the guard.
    #[serde(default, rename = "secret")]
    _secret: Option<String>,
}

pub(super) async fn feeds(State(app): State<App>) -> Answer<Json<Vec<FeedView>>> {
    Ok(Json(app.store.feeds().await?))
}

pub(super) async fn add_feed(
    State(app): State<App>,
    Person(person): Person,
    body::Json(new): body::Json<NewFeed>,
) -> Answer<(StatusCode, Json<FeedCreated>)> {
    let made = calendar::NewFeedSecret::make(&app, &person.name, new).await?;
    Ok((StatusCode::CREATED, Json(made.0)))
}

/// Whoever made a feed revokes it, and administrators any.
pub(super) async fn remove_feed(
    State(app): State<App>,
    Person(person): Person,
    Named(id): Named<String>,
) -> Answer<Json<Removed>> {
    let feeds = app.store.feeds().await?;
    let missing = || Refusal::NotFound { what: "feed", key: id.clone() };
    let feed = feeds.into_iter().find(|feed| feed.id == id).ok_or_else(missing)?;
    if feed.made_by != person.name && !person.rights.contains(&Right::Administrator) {
        let (found, expected) = (person.rights, vec![Right::Administrator]);
        return Err(Refusal::RightMissing { person: person.name, expected, found }.into());
    }
    app.store.remove_feed(&id).await?;
    let done = Removed { name: id, hosts: Vec::new() };
    app.audit(&person.name, "feeds.remove", &done).await?;
    Ok(Json(done))
}
