//! From what is known of the fleet to a stored plan: planner, second judge, state machine.

use crate::{
    app::App,
    campaign::{self, Campaign},
    refusal::{Answer, Refusal},
    risk::Surroundings,
};
use refit_inventory::HostRecord;
use refit_names::{Generation, HostName, PersonName, RolloutName};
use refit_planner::{Candidate, PlanInput, Shape};
use refit_protocol::v1::{HostView, PlanView};
use refit_rollout::Event;
use refit_store::plans::PlanRow;

/// The fleet as people see it.
pub(crate) async fn host_views(app: &App) -> Answer<Vec<HostView>> {
    let hosts = app.store.hosts().await?;
    let around = Surroundings::of(app).await?;
    let view = |mut record: HostRecord| {
        record.last_seen = app.last_seen(&record);
        let risk = around.score(app, &record, None);
        HostView { reachable: app.is_reachable(record.last_seen), record, risk }
    };
    Ok(hosts.into_iter().map(view).collect())
}

/// Makes the next plan of a campaign.
pub(crate) async fn make(app: &App, name: &RolloutName, author: PersonName) -> Answer<PlanView> {
    let campaign = campaign::load(app, name).await?.body;
    let stock = app.stock()?;
    let newest = app.store.newest_plan(name).await?;
    let hosts = app.store.hosts().await?;
    let around = Surroundings::of(app).await?;
    let spec = &campaign.spec;
    let goal = (&*stock, &spec.product, &spec.target);
    let candidates = hosts.iter().map(|host| Candidate {
        risk: around.score(app, host, Some(goal)),
        reachable: app.is_reachable(app.last_seen(host)),
        record: HostRecord { last_seen: app.last_seen(host), ..host.clone() },
    });
    let shape = Shape {
        shares: spec.waves.shares.clone(),
        goal: spec.waves.goal,
        soak_ms: spec.waves.soak_ms,
        timeout_ms: spec.waves.timeout_ms,
        parallel: spec.waves.parallel,
        advance: spec.waves.advance,
    };
    let input = PlanInput {
        rollout: name.clone(),
        generation: newest.as_ref().map_or(Generation::FIRST, |row| row.plan.generation.next()),
        parent: campaign.rollout.plan(),
        author,
        now: app.now(),
        product: spec.product.clone(),
        target: spec.target.clone(),
        wanted: spec.hosts.clone(),
        hosts: candidates.collect(),
        catalog: stock.catalog.clone(),
        parts: std::collections::BTreeSet::new(),
        estimates: stock.estimates(),
        history: BTreeMap::new(),
        shape,
        failure_budget: spec.failure_budget,
        approvals_needed: spec.approvals_needed,
        surroundings: refit_planner::Surroundings::default(),
        demands: refit_planner::Demands::default(),
        begun: None,
    };
    let (plan, report) = refit_planner::plan(&input)?;
    let findings = refit_plan_check::check(&plan, &hosts, &stock.catalog);
    let findings =
        findings.into_iter().map(|finding| format!("{:?}: {}", finding.rule, finding.text));
    let hash =
        plan.hash().map_err(|error| Refusal::NotUnderstood { what: refit_names::chain(&error) })?;
    let row = PlanRow { hash, plan, report: report.remarks, findings: findings.collect() };
    // Tried before it is stored, so that a campaign that is too far on leaves no plan behind.
    let event = Event::PlanMade { plan: Box::new(row.plan.clone()) };
    campaign.rollout.next(&event, app.now())?;
    app.store.add_plan(&row).await?;
    campaign::apply(app, name, event, |_| {}).await?;
    Ok(view(row))
}

/// The current plan.
pub(crate) async fn current(app: &App, name: &RolloutName) -> Answer<PlanRow> {
    let campaign = campaign::load(app, name).await?.body;
    let hash = campaign.rollout.plan().ok_or_else(|| Refusal::NoPlan { rollout: name.clone() })?;
    Ok(app.store.plan(&hash).await?)
}

/// A stored plan as people see it.
pub(crate) fn view(row: PlanRow) -> PlanView {
    PlanView { hash: row.hash, plan: row.plan, report: row.report, findings: row.findings }
}

/// One host as people see it.
pub(crate) async fn host_view(app: &App, name: &HostName) -> Answer<HostView> {
    let missing = || Refusal::NotFound { what: "host", key: name.to_string() };
    let mut record = app.store.host(name).await?.ok_or_else(missing)?;
    record.last_seen = app.last_seen(&record);
    let risk = Surroundings::of(app).await?.score(app, &record, None);
    Ok(HostView { reachable: app.is_reachable(record.last_seen), record, risk })
}
