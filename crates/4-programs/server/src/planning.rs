//! From what is known of the fleet to a stored plan: planner, second judge, state machine.

use crate::{
    app::App,
    campaign::{self, Campaign},
    history,
    refusal::{Answer, Refusal},
    risk::Surroundings,
};
use refit_inventory::HostRecord;
use refit_names::{BuildId, Generation, HostName, PersonName, ProductName, RolloutName, WaveName};
use refit_plan::{ReturnWay, RollbackPlan};
use refit_plan_check::CheckInput;
use refit_planner::{Begun, Candidate, Demands, PlanInput, RollbackInput, Shape};
use refit_protocol::backup::BackupView;
use refit_protocol::v1::{HostView, PlanDemands, PlanLine, PlanRequest, PlanView};
use refit_rollout::{Event, HostState, RolloutHost, RolloutState};
use refit_store::plans::PlanRow;
use std::collections::BTreeMap;

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

/// Makes the next plan of a campaign, or says what it would be.
pub(crate) async fn make(
    app: &App,
    name: &RolloutName,
    author: PersonName,
    request: &PlanRequest,
) -> Answer<PlanView> {
    let campaign = campaign::load(app, name).await?.body;
    let demands = request.applied_to(&campaign.spec.demands);
    let input = gather(app, &campaign, author, &demands).await?;
    // Planning of a large fleet takes a processor for a while, so it runs beside the requests.
    let planned = tokio::task::spawn_blocking(move || judged(&input)).await;
    let row = planned.map_err(|_| Refusal::Bug)??;
    // Tried before it is stored, so that a campaign that is too far on leaves no plan behind.
    let event = Event::PlanMade { plan: Box::new(row.plan.clone()) };
    campaign.rollout.next(&event, app.now())?;
    if request.dry_run {
        return Ok(view(row));
    }
    app.store.add_plan(&row).await?;
    campaign::apply(app, name, event, |campaign| campaign.spec.demands = demands.clone()).await?;
    Ok(view(row))
}

/// Plans, and lets the second judge look.
fn judged(input: &PlanInput) -> Answer<PlanRow> {
    let (plan, report) = refit_planner::plan(input)?;
    let hosts: Vec<HostRecord> = input.hosts.iter().map(|host| host.record.clone()).collect();
    let findings = refit_plan_check::judge(&CheckInput {
        plan: &plan,
        hosts: &hosts,
        catalog: &input.catalog,
        calendar: Some(&input.surroundings.calendar),
        sites: &input.surroundings.sites,
        clusters: &input.surroundings.clusters,
        engineers: &input.surroundings.engineers,
        pins: &input.demands.pins,
        shares: &input.shape.shares,
        parent: input.begun.as_ref().map(|begun| &begun.plan),
    });
    let findings =
        findings.into_iter().map(|finding| format!("{:?}: {}", finding.rule, finding.text));
    let hash =
        plan.hash().map_err(|error| Refusal::NotUnderstood { what: refit_names::chain(&error) })?;
    Ok(PlanRow { hash, plan, report: report.remarks, findings: findings.collect() })
}

/// Everything that a plan of this campaign is made of now.
async fn gather(
    app: &App,
    campaign: &Campaign,
    author: PersonName,
    demands: &PlanDemands,
) -> Answer<PlanInput> {
    let spec = &campaign.spec;
    let stock = app.stock()?;
    let newest = app.store.newest_plan(&spec.name).await?;
    let hosts = app.store.hosts().await?;
    let around = Surroundings::of(app).await?;
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
    Ok(PlanInput {
        rollout: spec.name.clone(),
        generation: newest.as_ref().map_or(Generation::FIRST, |row| row.plan.generation.next()),
        parent: campaign.rollout.plan(),
        author,
        now: app.now(),
        product: spec.product.clone(),
        target: spec.target.clone(),
        wanted: spec.hosts.clone(),
        hosts: candidates.collect(),
        catalog: stock.catalog.clone(),
        parts: crate::parts::wanted(&stock, &spec.product, &spec.target, demands)?,
        estimates: stock.estimates(),
        history: history::measured(app).await?,
        shape,
        failure_budget: spec.failure_budget,
        approvals_needed: spec.approvals_needed,
        surroundings: refit_planner::Surroundings {
            calendar: crate::calendar::load(app).await?,
            sites: app.store.sites().await?,
            clusters: app.store.clusters().await?,
            engineers: app.store.engineers().await?,
        },
        demands: Demands {
            pins: demands.pins.clone(),
            deadline: demands.deadline,
            emergency: demands.emergency.clone(),
            validation_ms: demands.validation_ms,
            stated: demands.stated,
            way: spec.way,
            ..Demands::default()
        },
        begun: begun(app, campaign).await?,
    })
}

/// What has run, when the plan replaces one that did.
async fn begun(app: &App, campaign: &Campaign) -> Answer<Option<Begun>> {
    let begun = campaign.rollout.begun();
    let Some(hash) = campaign.rollout.plan().filter(|_| !begun.is_empty()) else {
        return Ok(None);
    };
    Ok(Some(Begun { plan: app.store.plan(&hash).await?.plan.clone(), hosts: begun }))
}

/// All plans of a campaign, the newest first.
pub(crate) async fn line(app: &App, name: &RolloutName) -> Answer<Vec<PlanLine>> {
    campaign::load(app, name).await?;
    let rows = app.store.plans_of(name).await?;
    let line = |row: PlanRow| PlanLine {
        generation: row.plan.generation,
        hash: row.hash,
        made_at: row.plan.made_at,
        finishes_at: row.plan.finishes_at(),
        author: row.plan.author,
        findings: row.findings.len(),
    };
    Ok(rows.into_iter().map(line).collect())
}

/// The plan of one generation.
pub(crate) async fn of_generation(
    app: &App,
    name: &RolloutName,
    generation: Generation,
) -> Answer<PlanView> {
    let missing =
        || Refusal::NotFound { what: "plan", key: format!("{name}, generation {generation}") };
    let row = app.store.plan_of_generation(name, generation).await?.ok_or_else(missing)?;
    Ok(view(row))
}

/// The way back of one wave of the current plan.
pub(crate) async fn rollback(
    app: &App,
    name: &RolloutName,
    wave: &WaveName,
    author: PersonName,
) -> Answer<RollbackPlan> {
    let campaign = campaign::load(app, name).await?.body;
    let plan = current(app, name).await?.plan;
    let around = gather(app, &campaign, author, &campaign.spec.demands).await?;
    let way = |host: &RolloutHost| match &host.state {
        HostState::Due | HostState::Running { .. } => Some(ReturnWay::ByItself),
        HostState::Succeeded { .. } | HostState::NeedsPerson { .. } => Some(ReturnWay::ByPerson),
        _ => None,
    };
    let hosts = campaign.rollout.hosts().iter();
    let ways = hosts.filter_map(|host| Some((host.host.clone(), way(host)?))).collect();
    let input = RollbackInput { around: &around, plan: &plan, wave, ways: &ways };
    let missing = || Refusal::NotFound { what: "wave of the plan", key: wave.to_string() };
    let mut back = refit_planner::rollback(&input).ok_or_else(missing)?;
    let told = app.store.backup_reports().await?;
    for host in &mut back.hosts {
        let Some((_, report)) = told.get(&host.host) else { continue };
        host.backup = own_backup(&report.backups, (name, &back.product, &host.to));
    }
    Ok(back)
}

/// The newest backup of the build before that an order of this rollout took.
fn own_backup(
    told: &[BackupView],
    (rollout, product, build): (&RolloutName, &ProductName, &BuildId),
) -> Option<String> {
    let orders = format!("{rollout}.");
    let own = told.iter().filter(|backup| {
        backup.product == *product && backup.build == *build && backup.id.starts_with(&orders)
    });
    own.max_by_key(|backup| backup.taken_at).map(|backup| backup.id.clone())
}

/// Refuses a plan that was agreed to and rests on what people state while no agent saw the same.
pub(crate) async fn seen_as_stated(app: &App, name: &RolloutName) -> Answer<()> {
    let campaign = campaign::load(app, name).await?.body;
    if *campaign.rollout.state() != RolloutState::Agreed {
        return Ok(());
    }
    let Some(hash) = campaign.rollout.plan() else { return Ok(()) };
    let plan = &app.store.plan(&hash).await?.plan;
    if plan.stated.is_empty() {
        return Ok(());
    }
    let records = app.store.hosts().await?;
    let records: BTreeMap<&HostName, &HostRecord> =
        records.iter().map(|record| (&record.name, record)).collect();
    let mut unseen = Vec::new();
    for (_, planned) in plan.hosts().filter(|(_, planned)| plan.stated.contains(&planned.host)) {
        let record = records.get(&planned.host);
        let product = record.and_then(|record| record.product(&plan.product));
        let expected = planned.legs.first().map(|leg| &leg.from);
        let found = match product {
            Some(seen) if seen.build.as_ref() == expected => continue,
            Some(seen) => seen.build.as_ref().map_or("no build".to_owned(), |b| format!("`{b}`")),
            None => "no agent that saw the product".to_owned(),
        };
        unseen.push(format!("`{}`: found {found}", planned.host));
    }
    if unseen.is_empty() { Ok(()) } else { Err(Refusal::OnlyStated { hosts: unseen }.into()) }
}

/// The current plan.
pub(crate) async fn current(app: &App, name: &RolloutName) -> Answer<PlanRow> {
    let campaign = campaign::load(app, name).await?.body;
    let hash = campaign.rollout.plan().ok_or_else(|| Refusal::NoPlan { rollout: name.clone() })?;
    Ok(app.store.plan(&hash).await?.as_ref().clone())
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
