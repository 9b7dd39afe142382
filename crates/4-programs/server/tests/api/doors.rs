//! Who is not let in, and what is said then.

use crate::{
    agent::{Agent, entry, quiet},
    stage::{Stage, problem},
};
use jiff::Timestamp;
use refit_client::{AgentClient, ApiClient, ClientError, Identity};
use refit_inventory::Lifecycle;
use refit_protocol::{
    agent::SyncRequest,
    v1::{HostImport, Right},
};

async fn refused(stage: &Stage, host: &str, token: &str) -> String {
    problem(Agent::with_token(stage, host, token).await).code
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_token_has_its_own_code() {
    let stage = Stage::open().await;
    let used = stage.token(None, 60_000).await;
    Agent::with_token(&stage, "a", &used).await.unwrap();
    assert_eq!(refused(&stage, "b", &used).await, "enrol.token-used");
    let other = stage.token(Some("c"), 60_000).await;
    assert_eq!(refused(&stage, "b", &other).await, "enrol.token-other-host");
    let short = stage.token(None, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    assert_eq!(refused(&stage, "b", &short).await, "enrol.token-expired");
    let mut unknown = used.clone();
    let last = if unknown.pop() == Some('0') { '1' } else { '0' };
    unknown.push(last);
    assert_eq!(refused(&stage, "b", &unknown).await, "enrol.token-unknown");
    assert_eq!(stage.admin.hosts().await.unwrap().len(), 1, "a refused host left a trace");
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_use_one_token_at_once_one_wins() {
    let stage = Stage::open().await;
    let token = stage.token(None, 60_000).await;
    let (a, b) = tokio::join!(
        Agent::with_token(&stage, "a", &token),
        Agent::with_token(&stage, "b", &token)
    );
    let lost: Vec<_> = [a, b].into_iter().filter_map(Result::err).collect();
    assert_eq!(lost.len(), 1);
    assert!(
        matches!(&lost[0], ClientError::Problem(problem) if problem.code == "enrol.token-used")
    );
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_another_authority_ends_the_handshake() {
    let (ours, theirs) = tokio::join!(Stage::open(), Stage::open());
    let own = Agent::enrol(&ours, "a").await;
    let foreign = Agent::enrol(&theirs, "a").await;
    let mixed = Identity {
        key: foreign.identity.key.clone(),
        certificate: foreign.identity.certificate.clone(),
        ..own.identity.clone()
    };
    let answer = AgentClient::new(&mixed).unwrap().sync(&quiet()).await;
    assert!(matches!(answer, Err(ClientError::CertificateRefused { .. })), "{:?}", answer.err());
    own.client.sync(&quiet()).await.unwrap();
    ours.server.shutdown().await;
    theirs.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retired_host_is_refused() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let agent = Agent::enrol(&stage, "a").await;
    agent.ask().await;
    let mut record = planner.hosts().await.unwrap().remove(0).record;
    record.lifecycle = Lifecycle::Retired;
    planner.import_hosts(&HostImport { hosts: vec![record] }).await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match agent.client.sync(&quiet()).await {
            Err(ClientError::Problem(problem)) => {
                assert_eq!((problem.status, problem.code.as_str()), (403, "agent.host-retired"));
                break;
            }
            other => assert!(std::time::Instant::now() < deadline, "still let in: {other:?}"),
        }
    }
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_with_a_gap_or_a_changed_entry_is_not_stored() {
    let stage = Stage::open().await;
    let agent = Agent::enrol(&stage, "a").await;
    let first = entry(None);
    let second = entry(Some((1, first.hash)));
    assert_eq!(problem(agent.send_journal(vec![second.clone()]).await).code, "store.journal-gap");
    let mut changed = first.clone();
    changed.at = "2020-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(problem(agent.send_journal(vec![changed]).await).code, "store.chain-broken");
    let batch = vec![first, second];
    assert_eq!(agent.send_journal(batch.clone()).await.unwrap().journal_acknowledged, 2);
    assert_eq!(agent.send_journal(batch).await.unwrap().journal_acknowledged, 2, "repeated");
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_is_held_until_something_changes() {
    let stage = Stage::open().await;
    let agent = Agent::enrol(&stage, "a").await;
    let seen = agent.observe("1000").await.seen;
    let begun = std::time::Instant::now();
    let request = SyncRequest { seen, wait_ms: 400, ..quiet() };
    // Facts arrived a moment ago; the wish for them goes as soon as that was derived.
    agent.until(|told| !told.want_facts).await;
    let held = agent.client.sync(&request).await.unwrap();
    assert_eq!(held.seen, seen);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(400));
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrored_repository_is_for_hosts_only() {
    let stage = Stage::open().await;
    let agent = Agent::enrol(&stage, "a").await;
    stage.person("planner", &[Right::Planner]).await.refresh_repository().await.unwrap();
    let source = agent.client.source().unwrap();
    let timestamp = source.metadata.join("timestamp.json").unwrap();
    let whole = source.http.get(timestamp.clone()).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    let part =
        source.http.get(timestamp.clone()).header("range", "bytes=0-3").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.bytes().await.unwrap().len()), (206, 4));
    let outside = source.metadata.join("..%2f..%2fca.key.pem").unwrap();
    let outside = source.http.get(outside).send().await.unwrap();
    assert!(outside.status().is_client_error());
    let trust = refit_repository::TrustStore::create(
        &stage.folder.path().join("tuf-of-a"),
        agent.identity.tuf_root.as_bytes(),
    );
    let source = refit_repository::Source {
        metadata: source.metadata,
        targets: source.targets,
        http: source.http,
    };
    let mirrored =
        refit_repository::refresh(&trust.unwrap(), &source, Timestamp::now()).await.unwrap();
    assert_eq!(mirrored.catalog().await.unwrap().packs.len(), 2);
    let nobody = ApiClient::new(&stage.server.url, "none", Some(&stage.ca)).unwrap();
    drop(nobody);
    stage.server.shutdown().await;
}
