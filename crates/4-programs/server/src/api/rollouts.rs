//! Campaigns and their plans.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    body,
    campaign::Campaign,
    depot::Depot,
    planning,
    refusal::{Answer, Refusal},
    views,
};
use axum::{Json, extract::State, http::StatusCode};
use refit_names::{Generation, HostName, RolloutName, WaveName};
use refit_plan::RollbackPlan;
use refit_planner::PlanError;
use refit_protocol::v1::{NewRollout, PlanLine, PlanRequest, PlanView, RolloutView, WhyView};
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
    named_rightly(&app, &spec).await?;
    let name = spec.name.clone();
    let campaign = Campaign {
        rollout: Rollout::draft(name.clone()),
        author: person.name.clone(),
        configuration: None,
        deployer: None,
        acknowledged: Vec::new(),
        spec,
    };
    app.store.add_rollout(&name, &campaign, app.now()).await?;
    app.audit(&person.name, "rollout.add", &campaign.spec).await?;
    app.changed();
    Ok((StatusCode::CREATED, Json(views::rollout(&app, &name).await?)))
}

/// Refuses names that nobody knows now, not first when a plan is made: a draft keeps its name for good.
async fn named_rightly(app: &App, spec: &NewRollout) -> Answer<()> {
    let mut faults = Vec::new();
    if !spec.hosts.is_empty() {
        let fleet = app.store.said_hosts().await?;
        let names = fleet.iter().map(|host| &host.name);
        faults.extend(refit_planner::unknown_hosts(&spec.hosts, names));
    }
    let stock = app.depot.as_ref().and_then(Depot::stock);
    if let Some(stock) = &stock {
        let (product, target) = (&spec.product, &spec.target);
        faults.extend(refit_planner::unknown_target(&stock.catalog, product, target, spec.way));
    }
    if !faults.is_empty() {
        return Err(PlanError::Faults(faults).into());
    }
    if let Some(stock) = &stock {
        crate::parts::wanted(stock, &spec.product, &spec.target, &spec.demands)?;
    }
    Ok(())
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
    body::Json(request): body::Json<Option<PlanRequest>>,
) -> Answer<(StatusCode, Json<PlanView>)> {
    let request = request.unwrap_or_default();
    let plan = planning::make(&app, &name, person.name.clone(), &request).await?;
    if request.dry_run {
        return Ok((StatusCode::OK, Json(plan)));
    }
    let details =
        serde_json::json!({ "rollout": name, "plan": plan.hash, "findings": plan.findings });
    app.audit(&person.name, "rollout.plan", &details).await?;
    Ok((StatusCode::CREATED, Json(plan)))
}

pub(super) async fn plans(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<Json<Vec<PlanLine>>> {
    Ok(Json(planning::line(&app, &name).await?))
}

pub(super) async fn plan_of_generation(
    State(app): State<App>,
    Named((name, generation)): Named<(RolloutName, Generation)>,
) -> Answer<Json<PlanView>> {
    Ok(Json(planning::of_generation(&app, &name, generation).await?))
}

pub(super) async fn rollback(
    State(app): State<App>,
    Person(person): Person,
    Named((name, wave)): Named<(RolloutName, WaveName)>,
) -> Answer<Json<RollbackPlan>> {
    Ok(Json(planning::rollback(&app, &name, &wave, person.name).await?))
}

pub(super) async fn why(
    State(app): State<App>,
    Named((name, host)): Named<(RolloutName, HostName)>,
) -> Answer<Json<WhyView>> {
    Ok(Json(views::why(&app, &name, &host).await?))
}
