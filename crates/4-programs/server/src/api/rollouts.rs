//! Campaigns and their plans.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    body,
    campaign::Campaign,
    planning,
    refusal::{Answer, Refusal},
    views,
};
use axum::{Json, extract::State, http::StatusCode};
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{NewRollout, PlanView, RolloutView, WhyView};
use refit_rollout::Rollout;

pub(super) async fn list(State(app): State<App>) -> Answer<Json<Vec<RolloutView>>> {
    Ok(Json(views::rollouts(&app).await?))
}

pub(super) async fn one(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<Json<RolloutView>> {
    Ok(Json(views::rollout(&app, &name).await?))
}

pub(super) async fn add(
    State(app): State<App>,
    Person(person): Person,
    body::Json(spec): body::Json<NewRollout>,
) -> Answer<(StatusCode, Json<RolloutView>)> {
    if spec.approvals_needed == 0 {
        let expected = "at least 1: nobody approves alone".to_owned();
        return Err(Refusal::OutOfRange {
            field: "approvals_needed",
            expected,
            found: "0".to_owned(),
        }
        .into());
    }
    let name = spec.name.clone();
    let campaign = Campaign {
        rollout: Rollout::draft(name.clone()),
        author: person.name.clone(),
        configuration: None,
        deployer: None,
        spec,
    };
    app.store.add_rollout(&name, &campaign, app.now()).await?;
    app.audit(&person.name, "rollout.add", &campaign.spec).await?;
    app.changed();
    Ok((StatusCode::CREATED, Json(views::rollout(&app, &name).await?)))
}

pub(super) async fn plan(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<Json<PlanView>> {
    Ok(Json(planning::view(planning::current(&app, &name).await?)))
}

pub(super) async fn make_plan(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
) -> Answer<(StatusCode, Json<PlanView>)> {
    let plan = planning::make(&app, &name, person.name.clone()).await?;
    let details =
        serde_json::json!({ "rollout": name, "plan": plan.hash, "findings": plan.findings });
    app.audit(&person.name, "rollout.plan", &details).await?;
    Ok((StatusCode::CREATED, Json(plan)))
}

pub(super) async fn why(
    State(app): State<App>,
    Named((name, host)): Named<(RolloutName, HostName)>,
) -> Answer<Json<WhyView>> {
    Ok(Json(views::why(&app, &name, &host).await?))
}
