//! A plan is rehearsed, documented and exported over the API.

use crate::{
    agent::Agent,
    stage::{Stage, new_rollout, problem, rollout_name},
};
use refit_protocol::v1::{
    DocumentKind, DocumentQuery, ExportQuery, NewRollout, RehearsalQuery, Right,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_rehearsed_documented_and_exported() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let agent = Agent::enrol(&stage, "ledger-1").await;
    agent.observe("1000").await;
    planner.refresh_repository().await.unwrap();
    let spec: NewRollout = new_rollout("spring");
    planner.create_rollout(&spec).await.unwrap();
    let name = rollout_name("spring");
    let few = RehearsalQuery { runs: 50, ..RehearsalQuery::default() };
    assert_eq!(problem(planner.rehearse(&name, &few).await).code, "rollout.no-plan");

    let plan = planner.make_plan(&name).await.unwrap();
    let report = planner.rehearse(&name, &few).await.unwrap();
    assert_eq!((report.plan, report.runs, report.hosts), (plan.hash, 50, 1));
    assert_eq!(report, planner.rehearse(&name, &few).await.unwrap());
    let none = RehearsalQuery { runs: 0, ..RehearsalQuery::default() };
    assert_eq!(problem(planner.rehearse(&name, &none).await).code, "rehearsal.out-of-range");

    for kind in [DocumentKind::Approach, DocumentKind::ProjectPlan] {
        let simulated = DocumentQuery { simulate: Some(50), seed: None };
        let page = planner.document(&name, kind, "html", &simulated).await.unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(&plan.hash.to_string()) && page.contains("ledger-1"));
    }
    let plain = DocumentQuery::default();
    let pdf = planner.document(&name, DocumentKind::Approach, "pdf", &plain).await.unwrap();
    assert!(pdf.starts_with(b"%PDF"));

    let all = ExportQuery::default();
    assert!(planner.export(&name, "xlsx", &all).await.unwrap().starts_with(b"PK"));
    let csv = String::from_utf8(planner.export(&name, "csv", &all).await.unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 2);
    let ics = String::from_utf8(planner.export(&name, "ics", &all).await.unwrap()).unwrap();
    assert!(ics.starts_with("BEGIN:VCALENDAR"));
    stage.server.shutdown().await;
}
