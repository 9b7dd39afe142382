//! Questions of hosts: what waits for whom, and the answers.

use super::{
    answers::{Asked, Named},
    auth::Person,
};
use crate::{
    app::App,
    body, questions,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State, http::header, response::IntoResponse};
use refit_names::{Digest, HostName, RolloutName, StepId};
use refit_protocol::v1::{NewAnswer, QuestionView, QuestionsQuery};

pub(super) async fn list(
    State(app): State<App>,
    Asked(query): Asked<QuestionsQuery>,
) -> Answer<Json<Vec<QuestionView>>> {
    if let Some(rollout) = &query.rollout {
        // A name that was mistyped is no empty list.
        crate::campaign::load(&app, rollout).await?;
    }
    Ok(Json(app.store.questions(&query).await?))
}

pub(super) async fn answer(
    State(app): State<App>,
    Person(person): Person,
    Named((rollout, host, step)): Named<(RolloutName, HostName, StepId)>,
    body::Json(new): body::Json<NewAnswer>,
) -> Answer<Json<QuestionView>> {
    Ok(Json(questions::answer(&app, &person, (&rollout, &host, &step), new).await?))
}

pub(super) async fn uploaded(
    State(app): State<App>,
    Named(digest): Named<Digest>,
) -> Answer<impl IntoResponse> {
    let missing = || Refusal::NotFound { what: "upload", key: digest.to_string() };
    let content = app.store.uploaded(&digest).await?.ok_or_else(missing)?;
    // Whoever opens it in a browser shall not run what a stranger handed in.
    let head = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
    ];
    Ok((head, content))
}
