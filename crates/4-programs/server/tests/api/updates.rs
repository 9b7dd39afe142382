//! Checks and what they find: told once, by webhook and by mail, also over a restart; withdrawn packs stop rollouts.

use crate::{
    agent::Agent,
    receiver::{Hook, Mailbox},
    stage::{Stage, new_rollout, problem, rollout_name},
};
use refit_client::ApiClient;
use refit_protocol::{
    agent::{Permission, PrepareEvidence, Standing},
    v1::{
        ChannelTarget, Configuration, Decision, DeliveryState, Deploy, EventKind, Finding,
        NewChannel, Right,
    },
};
use refit_rollout::RolloutState;
use std::{collections::BTreeSet, path::Path, time::Duration};

async fn channel(admin: &ApiClient, target: ChannelTarget) -> refit_protocol::v1::ChannelCreated {
    let new = NewChannel { target, events: BTreeSet::new(), password: None };
    admin.add_channel(&new).await.unwrap()
}

/// Asks until every delivery of every event has ended.
async fn delivered(api: &ApiClient, events: usize) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = api.notifications(50).await.unwrap();
        let open = seen
            .iter()
            .flat_map(|event| &event.deliveries)
            .any(|delivery| delivery.state != DeliveryState::Delivered);
        if seen.len() == events && !open {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "not in time: {seen:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_path_is_told_once_by_webhook_and_mail_and_a_restart_does_not_tell_it_again() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let (hook, mailbox) = (Hook::open(1).await, Mailbox::open().await);
    let made = channel(&stage.admin, ChannelTarget::Webhook { url: hook.url() }).await;
    let secret = made.secret.clone().unwrap();
    let mail = ChannelTarget::Mail {
        address: "ops@site.example".to_owned(),
        from: "refit@site.example".to_owned(),
        smtp: mailbox.url(),
        user: None,
    };
    assert_eq!(channel(&stage.admin, mail).await.secret, None);
    let text = format!("{:?}", planner.channels().await.unwrap());
    assert!(!text.contains("whsec_"), "a secret was listed: {text}");

    let first = planner.check_updates().await.unwrap();
    assert_eq!(first.updates, Vec::new(), "nothing is installed yet");
    for name in ["ledger-1", "ledger-2"] {
        Agent::enrol(&stage, name).await.observe("1000").await;
    }
    let found = planner.check_updates().await.unwrap();
    let paths: Vec<_> = found
        .new
        .iter()
        .filter_map(|finding| match finding {
            Finding::Update { builds, servers, .. } => Some((builds.len(), *servers)),
            _ => None,
        })
        .collect();
    assert_eq!(paths, [(2, 2), (3, 2)], "1000 → 1100 and 1000 → 1100 → 1200, two servers");
    assert_eq!(found.updates[0].targets[1].packs[1].readme, "what is new");
    // The lives of the stage's metadata are short: that is an event of its own.
    let events = planner.notifications(50).await.unwrap();
    assert!(events.iter().any(|event| event.kind == EventKind::MetadataExpires));
    delivered(&planner, events.len()).await;

    let calls = hook.calls();
    let of_updates: Vec<_> =
        calls.iter().filter(|call| call.body.contains("updates-available")).collect();
    assert_eq!(calls.len(), events.len() + 1, "the first call was refused and came again");
    assert_eq!(of_updates.last().unwrap().body.matches("\"servers\":2").count(), 2);
    for call in &calls {
        call.assert_signed(&secret);
    }
    let mails = mailbox.mails();
    let mail = mails.iter().find(|mail| mail.contains("upgrade paths")).unwrap();
    assert!(mail.contains("To: ops@site.example"), "{mail}");
    assert!(mail.contains("Subject: Refit: 2 new upgrade paths for 2 servers"), "{mail}");
    assert!(mail.contains("1100") && mail.contains("Ledger 1200"), "{mail}");

    assert_eq!(planner.check_updates().await.unwrap().new, Vec::new());
    let stage = stage.restart().await;
    let again = stage.person("other", &[Right::Planner]).await;
    let report = again.check_updates().await.unwrap();
    assert_eq!(report.new, Vec::new(), "told again after a restart");
    delivered(&again, events.len()).await;
    assert_eq!(hook.calls().len(), calls.len());
    assert_eq!(mailbox.mails().len(), mails.len());
    let status = again.repository().await.unwrap().check.unwrap();
    assert!(status.next_at > status.last_at, "{status:?}");
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_that_cannot_work_is_refused_and_one_that_is_gone_is_switched_off() {
    let stage = Stage::open().await;
    let add = |target| {
        let new = NewChannel { target, events: BTreeSet::new(), password: None };
        let admin = stage.admin.clone();
        async move { admin.add_channel(&new).await }
    };
    for url in ["ftp://x/y", "https://user:secret@hooks.example/"] {
        let refused = problem(add(ChannelTarget::Webhook { url: url.to_owned() }).await);
        assert_eq!(refused.code, "notify.unfit-channel");
    }
    let planner = stage.person("planner", &[Right::Planner]).await;
    let url = "https://hooks.example/".to_owned();
    let new = NewChannel {
        target: ChannelTarget::Webhook { url },
        events: BTreeSet::new(),
        password: None,
    };
    assert_eq!(problem(planner.add_channel(&new).await).code, "auth.right-missing");

    let gone = Hook::answering(410).await;
    let made = channel(&stage.admin, ChannelTarget::Webhook { url: gone.url() }).await;
    stage.admin.test_channel(&made.channel.id).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let channels = stage.admin.channels().await.unwrap();
        if channels[0].disabled.is_some() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{channels:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.admin.remove_channel(&made.channel.id).await.unwrap();
    assert_eq!(problem(stage.admin.test_channel(&made.channel.id).await).code, "api.not-found");
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_pack_halts_the_rollout_and_hosts_stand_by() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let owner = stage.person("owner", &[Right::ApplicationOwner]).await;
    let rights = [Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer];
    let lead = stage.person("lead", &rights).await;
    let agents = [Agent::enrol(&stage, "ledger-1").await, Agent::enrol(&stage, "ledger-2").await];
    for agent in &agents {
        agent.observe("1000").await;
    }
    planner.refresh_repository().await.unwrap();
    let name = rollout_name("spring");
    planner.create_rollout(&new_rollout("spring")).await.unwrap();
    let plan = planner.make_plan(&name).await.unwrap();
    let decision = Decision { plan: plan.hash, remark: String::new() };
    owner.agree(&name, &decision).await.unwrap();
    lead.prepare(&name).await.unwrap();
    for agent in &agents {
        let told = agent.until(|told| told.assignment.is_some()).await;
        agent.report(&told, Standing::Prepared { evidence: PrepareEvidence::default() }).await;
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while lead.rollout(&name).await.unwrap().state != RolloutState::Prepared {
        assert!(std::time::Instant::now() < deadline, "not prepared in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lead.authorise(&name, &decision).await.unwrap();
    let parties = BTreeSet::from([Right::Deployer]);
    lead.configure(&name, &Configuration { parallel: None, advance: None, parties }).await.unwrap();
    lead.deploy(&name, &Deploy::default()).await.unwrap();

    withdraw(stage.folder.path(), "1200", "damages indexes");
    let report = planner.check_updates().await.unwrap();
    assert!(report.new.iter().any(|finding| matches!(
        finding,
        Finding::Withdrawn { build, rollouts, .. } if build.as_str() == "1200" && *rollouts == [name.clone()]
    )), "{:?}", report.new);
    let view = lead.rollout(&name).await.unwrap();
    let because = "pack of product `ledger` to build `1200` was withdrawn: damages indexes";
    assert!(
        matches!(&view.state, RolloutState::Halted { because: found, .. } if found == because),
        "{:?}",
        view.state
    );
    for agent in &agents {
        let stands_by = |told: &refit_protocol::agent::SyncResponse| {
            told.assignment.as_ref().is_some_and(|told| told.permission == Permission::Withdrawn)
        };
        let told = agent.until(stands_by).await.assignment.unwrap();
        assert_eq!(told.withdrawn[0].because, because);
    }
    let reason = refit_protocol::v1::Reason { reason: "go on".to_owned() };
    assert_eq!(problem(lead.resume(&name, &reason).await).code, "rollout.pack-withdrawn");
    let why = lead.why(&name, &"ledger-1".parse().unwrap()).await.unwrap();
    assert_eq!(why.because, because);
    // The next path leaves it out, and says why when it is asked for.
    let build = |text: &str| text.parse().unwrap();
    let refused =
        problem(planner.path(&"ledger".parse().unwrap(), &build("1000"), &build("1200")).await);
    assert_eq!((refused.code.as_str(), refused.status), ("path.withdrawn", 409));
    assert_eq!(planner.updates().await.unwrap()[0].paths.len(), 1);
    let graph = planner.update_graph(&"ledger".parse().unwrap(), "cincinnati").await.unwrap();
    let graph: serde_json::Value = serde_json::from_slice(&graph).unwrap();
    assert_eq!(graph["edges"], serde_json::json!([[0, 1]]));
    assert_eq!(graph["conditionalEdges"][0]["risks"][0]["name"], "Withdrawn");
    stage.server.shutdown().await;
}

fn withdraw(folder: &Path, build: &str, reason: &str) {
    let keys = refit_forge::key::Keyring::open(&folder.join("keys"), None).unwrap();
    let what = refit_forge::repo::Withdrawal::own(
        "ledger".parse().unwrap(),
        build.parse().unwrap(),
        reason.to_owned(),
    );
    let (life, now) = (jiff::SignedDuration::from_hours(24), jiff::Timestamp::now());
    let _ = refit_forge::repo::withdraw(&folder.join("repo"), &keys, &what, life, now).unwrap();
}
