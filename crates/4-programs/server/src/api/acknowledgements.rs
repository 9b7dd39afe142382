//! Advisory findings that people take.

use super::{answers::Named, auth::Person};
use crate::{acknowledgements, app::App, body, refusal::Answer, views};
use axum::{Json, extract::State};
use refit_names::{HostName, RolloutName, StepId};
use refit_protocol::v1::{Reason, RolloutView};

pub(super) async fn acknowledge(
    State(app): State<App>,
    Person(person): Person,
    Named((rollout, host, step)): Named<(RolloutName, HostName, StepId)>,
    body::Json(reason): body::Json<Reason>,
) -> Answer<Json<RolloutView>> {
    acknowledgements::acknowledge(&app, &person, (&rollout, &host, &step), &reason).await?;
    Ok(Json(views::rollout(&app, &rollout).await?))
}
