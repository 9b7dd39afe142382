//! The repository that the server mirrors.

use super::auth::Person;
use crate::{
    app::App,
    check,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State};
use refit_protocol::v1::RepositoryView;

pub(super) async fn view(State(app): State<App>) -> Answer<Json<RepositoryView>> {
    Ok(Json(app.depot.as_ref().ok_or(Refusal::NoRepository)?.view()))
}

pub(super) async fn refresh(
    State(app): State<App>,
    Person(person): Person,
) -> Answer<Json<RepositoryView>> {
    let depot = app.depot.as_ref().ok_or(Refusal::NoRepository)?;
    check::run(&app).await?;
    let view = depot.view();
    app.audit(&person.name, "repository.refresh", &view.versions).await?;
    Ok(Json(view))
}
