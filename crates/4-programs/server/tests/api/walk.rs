//! One campaign from hosts that enrol to certificates that verify, with a host that is rolled back.

use crate::{
    agent::Agent,
    stage::{Stage, new_rollout, problem, rollout_name},
};
use refit_client::ApiClient;
use refit_journal::{Cause, OrderOutcome};
use refit_names::{BuildId, HostName, StepId};
use refit_protocol::{
    agent::{Permission, PrepareEvidence, Standing},
    v1::{CertificateState, Configuration, Decision, Deploy, Reason, Right, RolloutView, SignOff},
};
use refit_rollout::{HostState, RolloutState};
use refit_testkit::postgres::Postgres;
use std::{collections::BTreeSet, time::Duration};

fn configuration() -> Configuration {
    Configuration {
        parallel: None,
        advance: None,
        parties: BTreeSet::from([Right::Deployer, Right::ApplicationOwner]),
    }
}

/// Asks until the campaign is as wished.
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

async fn refreshed(api: &ApiClient) {
    assert_eq!(api.refresh_repository().await.unwrap().packs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn campaign_goes_from_enrolment_to_final_certificates() {
    walk(Stage::open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaign_goes_the_same_way_on_postgres() {
    let started = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let Some(postgres) = started.unwrap() else { return };
    walk(Stage::on(Some(postgres.database("refit").unwrap())).await).await;
}

async fn walk(stage: Stage) {
    let planner =
        stage.person("planner", &[Right::Planner, Right::Approver, Right::Authoriser]).await;
    let owner = stage.person("owner", &[Right::ApplicationOwner]).await;
    let lead = stage
        .person("lead", &[Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer])
        .await;
    let mut good = Agent::enrol(&stage, "ledger-1").await;
    let mut bad = Agent::enrol(&stage, "ledger-2").await;
    assert!(good.ask().await.want_facts);
    good.observe("1000").await;
    bad.observe("1000").await;
    refreshed(&planner).await;
    assert_eq!(planner.updates().await.unwrap()[0].servers, 2);

    let name = rollout_name("spring");
    planner.create_rollout(&new_rollout("spring")).await.unwrap();
    let before = problem(lead.prepare(&name).await);
    assert_eq!(before.code, "rollout.wrong-state");
    let plan = planner.make_plan(&name).await.unwrap();
    assert_eq!(plan.findings, Vec::<String>::new());
    let decision = Decision { plan: plan.hash, remark: String::new() };
    assert_eq!(problem(planner.agree(&name, &decision).await).status, 403, "the author agreed");
    let other = Decision { plan: refit_names::Digest::ZERO, remark: String::new() };
    assert_eq!(problem(owner.agree(&name, &other).await).code, "rollout.other-plan");
    assert_eq!(problem(lead.prepare(&name).await).code, "rollout.wrong-state", "nobody agreed yet");
    owner.agree(&name, &decision).await.unwrap();

    lead.prepare(&name).await.unwrap();
    for agent in [&good, &bad] {
        let told = agent.until(|told| told.assignment.is_some()).await;
        assert_eq!(told.assignment.as_ref().unwrap().permission, Permission::Prepare);
        agent.report(&told, Standing::Prepared { evidence: PrepareEvidence::default() }).await;
    }
    until(&lead, |view| view.state == RolloutState::Prepared).await;
    assert_eq!(
        problem(planner.authorise(&name, &decision).await).status,
        403,
        "the author authorised"
    );
    lead.authorise(&name, &decision).await.unwrap();
    assert_eq!(
        problem(lead.deploy(&name, &Deploy::default()).await).code,
        "rollout.not-configured"
    );
    lead.configure(&name, &configuration()).await.unwrap();
    let mut events = lead.events(&name).await.unwrap();
    assert!(matches!(events.next().await.unwrap().unwrap().state, RolloutState::Authorised));
    lead.deploy(&name, &Deploy::default()).await.unwrap();
    assert!(matches!(events.next().await.unwrap().unwrap().state, RolloutState::Deploying { .. }));

    // Which of the two is the canary is the planner's choice.
    let succeeded = OrderOutcome::Succeeded { build: BuildId::parse("1200").unwrap() };
    let rolled_back = OrderOutcome::RolledBack {
        build: BuildId::parse("1100").unwrap(),
        refused: BuildId::parse("1200").unwrap(),
        cause: Cause { code: "step.failed".to_owned(), text: "migration failed".to_owned() },
    };
    let go = |told: &refit_protocol::agent::SyncResponse| {
        told.assignment.as_ref().is_some_and(|told| told.permission == Permission::Deploy)
    };
    let (one, two) = tokio::join!(
        async {
            let told = good.until(go).await;
            good.finish(&told, succeeded, "1200").await;
        },
        async {
            let told = bad.until(go).await;
            bad.finish(&told, rolled_back, "1100").await;
        }
    );
    let ((), ()) = (one, two);
    let settled = |view: &RolloutView| {
        view.waves.iter().flat_map(|wave| &wave.hosts).all(|host| {
            matches!(host.state, HostState::Succeeded { .. } | HostState::RolledBack { .. })
        })
    };
    let view = until(&lead, settled).await;
    assert_eq!(view.failures, 1);
    let hosts: Vec<_> = view.waves.iter().flat_map(|wave| &wave.hosts).collect();
    assert!(hosts.iter().any(|host| matches!(&host.state, HostState::RolledBack { build, .. } if build.as_str() == "1100")));

    let (host, because) =
        (HostName::parse("ledger-1").unwrap(), |text: &str| Reason { reason: text.to_owned() });
    let step = |name: &str| StepId::parse(name).unwrap();
    let nobody = owner.why(&name, &host).await.unwrap().findings;
    assert_eq!(
        (nobody[0].step.as_str(), nobody[0].found.as_str()),
        ("load", "92, expected at most 80")
    );
    assert!(nobody.len() == 1 && nobody[0].taken.is_none(), "{nobody:?}");
    let refused = problem(owner.acknowledge(&name, (&host, &step("laod")), &because("x")).await);
    assert_eq!(refused.code, "acknowledge.not-advisory");
    assert!(refused.detail.contains("expected one of: load"), "{refused:?}");
    let refused = problem(owner.acknowledge(&name, (&host, &step("load")), &because(" ")).await);
    assert_eq!(refused.code, "acknowledge.no-reason");
    assert_eq!(
        problem(planner.acknowledge(&name, (&host, &step("load")), &because("x")).await).status,
        403
    );
    lead.acknowledge(&name, (&host, &step("load")), &because("a report")).await.unwrap();
    owner
        .acknowledge(&name, (&host, &step("load")), &because("the nightly report runs"))
        .await
        .unwrap();

    let view = owner.rollout(&name).await.unwrap();
    let seen = view.waves.iter().flat_map(|wave| &wave.hosts).find(|seen| seen.host == host);
    let taken = seen.unwrap().findings[0].taken.as_ref().map(|taken| taken.by.as_str());
    assert_eq!(taken, Some("owner"));

    let certificates = owner.certificates(&name).await.unwrap();
    assert_eq!(certificates.len(), 2, "a rolled-back host has one, too");
    for host in ["ledger-1", "ledger-2"].map(|host| HostName::parse(host).unwrap()) {
        let draft = owner.certificates(&name).await.unwrap();
        let draft = draft.iter().find(|draft| draft.host == host).unwrap();
        assert_eq!(draft.state, CertificateState::Draft);
        let as_party = |party| SignOff { party, remark: "looks well".to_owned() };
        assert_eq!(
            problem(owner.sign(&name, &host, &as_party(Right::Deployer)).await).code,
            "auth.right-missing"
        );
        let partly = owner.sign(&name, &host, &as_party(Right::ApplicationOwner)).await.unwrap();
        assert_eq!(partly.state, CertificateState::PartlySigned);
        assert_eq!(
            problem(owner.sign(&name, &host, &as_party(Right::ApplicationOwner)).await).code,
            "signoff.signed-already"
        );
        let late = owner.acknowledge(&name, (&host, &step("load")), &because("x")).await;
        assert_eq!(problem(late).code, "acknowledge.too-late");
        let last = lead.sign(&name, &host, &as_party(Right::Deployer)).await.unwrap();
        assert_eq!((last.state, last.evidence), (CertificateState::Final, draft.evidence));
        let envelope = owner.certificate_json(&name, &host).await.unwrap();
        assert_eq!(envelope, owner.certificate_json(&name, &host).await.unwrap());
        let key = owner.signing_key().await.unwrap();
        let verified = refit_documents::verify(&envelope, &key);
        assert!(verified.is_ok(), "{:?}", verified.err());
        let taken = verified.unwrap().certificate.evidence.acknowledged;
        let taken: Vec<_> =
            taken.iter().map(|taken| (taken.by.as_str(), taken.reason.as_str())).collect();
        let expected = if host.as_str() == "ledger-1" {
            vec![("owner", "the nightly report runs")]
        } else {
            vec![]
        };
        assert_eq!(taken, expected);
        assert!(owner.certificate_pdf(&name, &host).await.unwrap().starts_with(b"%PDF"));
    }
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forgotten_over_a_restart() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let agent = Agent::enrol(&stage, "ledger-1").await;
    agent.observe("1000").await;
    refreshed(&planner).await;
    planner.create_rollout(&new_rollout("spring")).await.unwrap();
    let plan = planner.make_plan(&rollout_name("spring")).await.unwrap();
    let stage = stage.restart().await;
    let view = stage.admin.rollout(&rollout_name("spring")).await.unwrap();
    assert_eq!((view.state, view.plan), (RolloutState::Planned, Some(plan.hash)));
    // The port is another one, the identity is the same.
    let moved = refit_client::Identity {
        note: refit_client::IdentityNote {
            server: stage.server.url.clone(),
            ..agent.identity.note.clone()
        },
        ..agent.identity
    };
    let again = refit_client::AgentClient::new(&moved).unwrap();
    assert!(!again.sync(&crate::agent::quiet()).await.unwrap().want_facts);
    stage.server.shutdown().await;
}
