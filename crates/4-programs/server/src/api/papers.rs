//! Rehearsals, documents and exports of a rollout's current plan.

use super::answers::{Asked, Named};
use crate::{app::App, papers, refusal::Answer};
use axum::{Json, extract::State};
use refit_names::RolloutName;
use refit_protocol::v1::{RehearsalQuery, RehearsalReport};

pub(super) async fn rehearsal(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
    Asked(query): Asked<RehearsalQuery>,
) -> Answer<Json<RehearsalReport>> {
    Ok(Json(papers::rehearsal(&app, &name, &query).await?))
}
