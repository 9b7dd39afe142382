//! People and service accounts.

use super::auth::Person;
use crate::{
    app::{App, token_hash},
    body,
    refusal::Answer,
};
use axum::{Json, extract::State, http::StatusCode};
use refit_protocol::v1::{NewUser, UserCreated, Whoami};
use refit_store::users::UserRow;

/// What bearer tokens begin with, so that scanners for leaked secrets find them.
const TOKEN_PREFIX: &str = "rfu1";

pub(super) async fn whoami(Person(person): Person) -> Json<Whoami> {
    Json(person)
}

pub(super) async fn list(State(app): State<App>) -> Answer<Json<Vec<Whoami>>> {
    let users = app.store.users().await?;
    Ok(Json(
        users.into_iter().map(|user| Whoami { name: user.name, rights: user.rights }).collect(),
    ))
}

pub(super) async fn add(
    State(app): State<App>,
    Person(person): Person,
    body::Json(new): body::Json<NewUser>,
) -> Answer<(StatusCode, Json<UserCreated>)> {
    let created = create(&app, new.clone()).await?;
    app.audit(&person.name, "user.add", &new).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Adds a person with a new token.
pub(crate) async fn create(app: &App, new: NewUser) -> Answer<UserCreated> {
    let token = format!("{TOKEN_PREFIX}.{}", app.ambient.token());
    let row = UserRow {
        name: new.name.clone(),
        rights: new.rights.clone(),
        token_hash: token_hash(&token),
        made_at: app.now(),
    };
    app.store.add_user(&row).await?;
    Ok(UserCreated { name: new.name, rights: new.rights, token })
}
