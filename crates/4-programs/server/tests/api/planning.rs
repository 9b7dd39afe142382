//! Plans with times, demands, generations and ways back, as a planner meets them; and a rollout that is planned anew.

use crate::{
    agent::Agent,
    stage::{Stage, new_rollout, problem, rollout_name},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_client::ApiClient;
use refit_inventory::{HostField, HostRecord, Said};
use refit_journal::OrderOutcome;
use refit_names::{BuildId, Generation, Percent};
use refit_plan::{Freeze, Pin, PinnedTo, Window};
use refit_protocol::agent::{Permission, PrepareEvidence, Standing, SyncResponse};
use refit_protocol::v1::{
    Configuration, Decision, Deploy, Existing, FleetImport, PlanRequest, Reason, Right,
    RolloutView, WindowsPut,
};
use refit_rollout::{HostState, RolloutState};
use std::time::Duration;

/// A window of four hours that opens in an hour, every day.
fn soon() -> Window {
    let starts = (Timestamp::now() + SignedDuration::from_hours(1)).to_zoned(TimeZone::UTC);
    serde_json::from_value(serde_json::json!({
        "name": "soon", "zone": "UTC", "starts": starts.datetime(), "rule": "FREQ=DAILY",
        "minutes": 240, "class": "out-of-hours",
    }))
    .unwrap()
}

async fn fleet(stage: &Stage, planner: &ApiClient, names: &[&str]) -> Vec<Agent> {
    let mut agents = Vec::new();
    for name in names {
        let agent = Agent::enrol(stage, name).await;
        agent.observe("1000").await;
        agents.push(agent);
    }
    planner.refresh_repository().await.unwrap();
    agents
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_keeps_windows_pins_freezes_and_deadlines() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let _agents = fleet(&stage, &planner, &["ledger-1"]).await;
    let put = WindowsPut { windows: vec![soon()], existing: Existing::Refuse, dry_run: false };
    planner.put_windows(&put).await.unwrap();
    let mut host = planner.hosts().await.unwrap().remove(0).record;
    host.windows = ["soon".parse().unwrap()].into();
    planner.import_fleet(&FleetImport { hosts: vec![host], ..Default::default() }).await.unwrap();
    planner.create_rollout(&new_rollout("spring")).await.unwrap();
    let name = rollout_name("spring");

    let dry = PlanRequest { dry_run: true, ..PlanRequest::default() };
    let tried = planner.make_plan_with(&name, &dry).await.unwrap();
    assert_eq!(tried.findings, Vec::<String>::new());
    assert_eq!(problem(planner.plan(&name).await).code, "rollout.no-plan", "nothing was kept");
    let first = planner.make_plan(&name).await.unwrap();
    let slot = first.plan.waves[0].hosts[0].slot.clone().unwrap();
    assert_eq!(slot.opening.window.as_str(), "soon");
    let why = planner.why(&name, &"ledger-1".parse().unwrap()).await.unwrap();
    assert!(why.placement.contains("window soon opens then; planned for"), "{}", why.placement);
    assert!(why.latest.is_some());

    let by =
        PlanRequest { deadline: Some(slot.starts_at), dry_run: true, ..PlanRequest::default() };
    let refused = problem(planner.make_plan_with(&name, &by).await);
    assert_eq!((refused.status, refused.code.as_str()), (409, "plan.does-not-fit"));
    assert!(refused.detail.contains("window `soon`"), "{refused:?}");

    let day = (slot.starts_at + SignedDuration::from_hours(72)).to_zoned(TimeZone::UTC).date();
    let pin = Pin { host: "ledger-1".parse().unwrap(), when: PinnedTo::Day(day) };
    let pinned = PlanRequest { pins: vec![pin], ..PlanRequest::default() };
    let second = planner.make_plan_with(&name, &pinned).await.unwrap();
    assert_eq!(second.plan.parent, Some(first.hash));
    assert_eq!(refit_plan::diff(&first.plan, &second.plan).len(), 3, "finish, timeout and slot");
    let freeze: Freeze = serde_json::from_value(serde_json::json!({
        "name": "close", "from": Timestamp::now(), "until": slot.starts_at + SignedDuration::from_hours(24 * 10),
        "reason": "year end",
    }))
    .unwrap();
    planner.add_freeze(&freeze).await.unwrap();
    let refused = problem(planner.make_plan(&name).await);
    assert!(refused.detail.contains("freeze `close`"), "{refused:?}");
    let emergency = PlanRequest { emergency: Some("a hole".to_owned()), ..PlanRequest::default() };
    let third = planner.make_plan_with(&name, &emergency).await.unwrap();
    assert_eq!((third.plan.approvals_needed, third.findings.len()), (2, 0));

    let line = planner.plans(&name).await.unwrap();
    assert_eq!(line.iter().map(|plan| plan.generation.0).collect::<Vec<_>>(), [3, 2, 1]);
    let old = planner.plan_of_generation(&name, Generation(1)).await.unwrap();
    assert_eq!(old.hash, first.hash);
    let back = planner.rollback_plan(&name, &"wave-1".parse().unwrap()).await.unwrap();
    assert_eq!(back.hosts[0].to.as_str(), "1000");
    stage.server.shutdown().await;
}

async fn until(api: &ApiClient, wished: impl Fn(&RolloutView) -> bool) -> RolloutView {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let view = api.rollout(&rollout_name("spring")).await.unwrap();
        if wished(&view) {
            return view;
        }
        assert!(std::time::Instant::now() < deadline, "not in time: {view:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_run_stays_when_a_rollout_is_planned_anew() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let owner = stage.person("owner", &[Right::ApplicationOwner]).await;
    let lead = stage
        .person("lead", &[Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer])
        .await;
    let mut agents = fleet(&stage, &planner, &["ledger-1", "ledger-2"]).await;
    let name = rollout_name("spring");
    let mut spec = new_rollout("spring");
    spec.waves.shares = vec![Percent::new(50).unwrap(), Percent::new(50).unwrap()];
    // The second wave waits, so that there is time to stop.
    spec.waves.soak_ms = 3_600_000;
    planner.create_rollout(&spec).await.unwrap();
    let plan = planner.make_plan(&name).await.unwrap();
    let decision = Decision { plan: plan.hash, remark: String::new() };
    owner.agree(&name, &decision).await.unwrap();
    lead.prepare(&name).await.unwrap();
    for agent in &agents {
        let told = agent.until(|told| told.assignment.is_some()).await;
        agent.report(&told, Standing::Prepared { evidence: PrepareEvidence::default() }).await;
    }
    until(&lead, |view| view.state == RolloutState::Prepared).await;
    lead.authorise(&name, &decision).await.unwrap();
    let parties = [Right::Deployer, Right::ApplicationOwner].into();
    lead.configure(&name, &Configuration { parallel: None, advance: None, parties }).await.unwrap();
    lead.deploy(&name, &Deploy::default()).await.unwrap();
    let refused = problem(planner.make_plan(&name).await);
    assert_eq!(refused.code, "rollout.wrong-state", "it runs");
    let go = |told: &SyncResponse| {
        told.assignment.as_ref().is_some_and(|told| told.permission == Permission::Deploy)
    };
    let told = agents[0].until(go).await;
    let succeeded = OrderOutcome::Succeeded { build: BuildId::parse("1200").unwrap() };
    agents[0].finish(&told, succeeded, "1200").await;
    let done =
        |view: &RolloutView| matches!(view.waves[0].hosts[0].state, HostState::Succeeded { .. });
    until(&lead, done).await;
    let reason = Reason { reason: "another look".to_owned() };
    lead.pause(&name, &reason).await.unwrap();

    let child = planner.make_plan(&name).await.unwrap();
    assert_eq!((child.plan.parent, child.findings.len()), (Some(plan.hash), 0));
    assert_eq!(child.plan.begun, ["ledger-1".parse().unwrap()].into());
    assert_eq!(child.plan.waves[0].hosts, plan.plan.waves[0].hosts);
    let view = planner.rollout(&name).await.unwrap();
    assert_eq!(view.state, RolloutState::Planned);
    assert!(done(&view), "{view:#?}");
    assert_eq!(owner.certificates(&name).await.unwrap().len(), 1, "its certificate is still there");
    let again = Decision { plan: child.hash, remark: String::new() };
    owner.agree(&name, &again).await.unwrap();
    lead.prepare(&name).await.unwrap();
    let told = agents[1].until(|told| told.assignment.is_some()).await;
    assert_eq!(told.assignment.as_ref().unwrap().order.key.generation, Generation(2));
    agents[1].report(&told, Standing::Prepared { evidence: PrepareEvidence::default() }).await;
    until(&lead, |view| view.state == RolloutState::Prepared).await;
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_of_a_table_is_planned_and_prepared_once_agents_saw_the_same() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let owner = stage.person("owner", &[Right::ApplicationOwner]).await;
    let preparer = stage.person("preparer", &[Right::Preparer]).await;
    planner.refresh_repository().await.unwrap();
    let said = Said { by: "import".parse().unwrap(), at: Timestamp::UNIX_EPOCH };
    let mut host = HostRecord::new(
        "ledger-1".parse().unwrap(),
        "north".parse().unwrap(),
        "ledger".parse().unwrap(),
    );
    host.set_field(HostField::Products, "ledger=1000", &said).unwrap();
    planner.import_fleet(&FleetImport { hosts: vec![host], ..Default::default() }).await.unwrap();
    planner.create_rollout(&new_rollout("spring")).await.unwrap();
    let name = rollout_name("spring");

    let refused = problem(planner.make_plan(&name).await);
    assert!(refused.detail.contains("build `1000` is only stated"), "{refused:?}");
    let stated = PlanRequest { stated: Some(true), ..PlanRequest::default() };
    let first = planner.make_plan_with(&name, &stated).await.unwrap();
    assert_eq!((first.plan.stated.len(), first.findings.len()), (1, 0));
    let decision = Decision { plan: first.hash, remark: String::new() };
    owner.agree(&name, &decision).await.unwrap();
    let refused = problem(preparer.prepare(&name).await);
    assert_eq!((refused.status, refused.code.as_str()), (409, "rollout.only-stated"));
    assert!(
        refused.detail.contains("`ledger-1`: found no agent that saw the product"),
        "{refused:?}"
    );

    let agent = Agent::enrol(&stage, "ledger-1").await;
    agent.observe("1100").await;
    let refused = problem(preparer.prepare(&name).await);
    assert!(refused.detail.contains("`ledger-1`: found `1100`"), "{refused:?}");
    agent.observe("1000").await;
    preparer.prepare(&name).await.unwrap();
    stage.server.shutdown().await;
}
