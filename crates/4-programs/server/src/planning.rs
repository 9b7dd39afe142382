//! From what is known of the fleet to a stored plan: planner, second judge, state machine.

use crate::{
    app::App,
    campaign::{self, Campaign},
    depot::Stock,
    refusal::{Answer, Refusal},
};
use refit_inventory::HostRecord;
use refit_names::{BuildId, Generation, HostName, PersonName, ProductName, RolloutName};
use refit_planner::{Candidate, PlanInput, Shape};
use refit_protocol::v1::{HostView, PlanView};
use refit_risk::{RiskInput, RiskScore};
use refit_rollout::Event;
use refit_store::plans::PlanRow;
use std::collections::BTreeMap;

/// What the risk of a host depends on beside itself.
pub(crate) struct Surroundings {
    failures: BTreeMap<HostName, u32>,
}

impl Surroundings {
    /// Counts failures over all campaigns.
    pub(crate) async fn of(app: &App) -> Answer<Self> {
        let mut failures = BTreeMap::new();
        for row in app.store.rollouts::<Campaign>().await? {
            for failure in row.body.rollout.failures() {
                *failures.entry(failure.host.clone()).or_insert(0) += 1;
            }
        }
        Ok(Self { failures })
    }

    /// The score of a host, with what an upgrade to `goal` would mean when one is given.
    pub(crate) fn score(
        &self,
        app: &App,
        host: &HostRecord,
        goal: Option<(&Stock, &ProductName, &BuildId)>,
    ) -> RiskScore {
        let legs = goal.map_or(0, |(stock, product, target)| {
            let installed = host.product(product).and_then(|seen| seen.build.as_ref());
            let path = installed.and_then(|from| stock.catalog.path(product, from, target).ok());
            path.map_or(0, |path| u32::try_from(path.len()).unwrap_or(u32::MAX))
        });
        refit_risk::score(&RiskInput {
            host,
            product: goal.map(|(_, product, _)| product),
            legs,
            failures: self.failures.get(&host.name).copied().unwrap_or(0),
            now: app.now(),
        })
    }
}

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
        estimates: stock.estimates(),
        shape,
        failure_budget: spec.failure_budget,
        approvals_needed: spec.approvals_needed,
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
