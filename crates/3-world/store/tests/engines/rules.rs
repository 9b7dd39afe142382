//! What the store does not allow.

use crate::rows::{at, plan_of_spring};
use refit_names::{Digest, Generation, HostName};
use refit_protocol::v1::{PartySignature, Right};
use refit_store::{
    Store, StoreError,
    certificates::CertificateRow,
    enrolment::{EnrolmentRow, RedeemError},
    plans::PlanRow,
};
use refit_testkit::lit;

fn token(text: &str, host: Option<&str>) -> EnrolmentRow {
    EnrolmentRow {
        token_hash: Digest::of(text.as_bytes()),
        host: host.map(lit),
        site: lit("north"),
        role: lit("app"),
        expires_at: at(1_000),
    }
}

pub(crate) async fn token_is_redeemed_once_when_many_ask_at_once(store: &Store) {
    let row = token("one", None);
    store.add_enrolment(&row).await.unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (store, hash) = (store.clone(), row.token_hash);
        asked.spawn(async move {
            let host: HostName = lit(&format!("host-{n}"));
            store.redeem(&hash, &host, at(10)).await
        });
    }
    let answers = asked.join_all().await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let used =
        answers.iter().filter(|answer| matches!(answer, Err(RedeemError::Used { .. }))).count();
    assert_eq!((won, used), (1, 15));
}

pub(crate) async fn token_says_which_rule_it_broke(store: &Store) {
    let (free, bound) = (token("free", None), token("bound", Some("a")));
    store.add_enrolment(&free).await.unwrap();
    store.add_enrolment(&bound).await.unwrap();
    let (a, b): (HostName, HostName) = (lit("a"), lit("b"));
    let answer = store.redeem(&Digest::of(b"no"), &a, at(1)).await;
    assert!(matches!(answer, Err(RedeemError::Unknown)), "{answer:?}");
    let answer = store.redeem(&free.token_hash, &a, at(1_000)).await;
    assert!(matches!(answer, Err(RedeemError::Expired { .. })), "{answer:?}");
    let answer = store.redeem(&bound.token_hash, &b, at(1)).await;
    assert!(matches!(answer, Err(RedeemError::OtherHost { .. })), "{answer:?}");
    let answer = store.redeem(&bound.token_hash, &a, at(1)).await;
    assert_eq!(answer.unwrap(), (lit("north"), lit("app")), "a refused try used it up");
    let answer = store.redeem(&bound.token_hash, &a, at(2)).await;
    assert!(matches!(answer, Err(RedeemError::Used { .. })), "{answer:?}");
}

pub(crate) async fn rollout_that_someone_else_changed_is_not_overwritten(store: &Store) {
    let name = lit("spring");
    store.add_rollout(&name, &"draft", at(1)).await.unwrap();
    let again = store.add_rollout(&name, &"other", at(2)).await;
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    let read = store.rollout::<String>(&name).await.unwrap();
    assert_eq!((read.version, read.body.as_str()), (1, "draft"));
    assert_eq!(store.save_rollout(&name, 1, &"planned").await.unwrap(), 2);
    let late = store.save_rollout(&name, 1, &"lost").await;
    assert!(matches!(late, Err(StoreError::Conflict { expected: 1, .. })), "{late:?}");
    assert_eq!(store.rollouts::<String>().await.unwrap()[0].body, "planned");
    let none = store.rollout::<String>(&lit("none")).await;
    assert!(matches!(none, Err(StoreError::Missing { .. })));
}

pub(crate) async fn plan_and_final_certificate_never_change(store: &Store) {
    let plan = plan_of_spring();
    let row =
        PlanRow { hash: plan.hash().unwrap(), plan, report: Vec::new(), findings: Vec::new() };
    store.add_plan(&row).await.unwrap();
    let again = store.add_plan(&row).await;
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    let mut other = row.clone();
    other.plan.author = lit("somebody");
    other.hash = other.plan.hash().unwrap();
    assert_eq!(other.plan.generation, Generation::FIRST);
    let same_generation = store.add_plan(&other).await;
    assert!(matches!(same_generation, Err(StoreError::Exists { .. })), "{same_generation:?}");

    let certificate = CertificateRow {
        name: "north - a - 2026-01-01".to_owned(),
        evidence: Digest::of(b"evidence"),
        final_at: at(3),
        envelope: "{}".to_owned(),
        pdf: vec![0, 1, 255],
    };
    let (spring, a) = (lit("spring"), lit("a"));
    store.add_certificate(&spring, &a, &certificate).await.unwrap();
    let changed = CertificateRow { pdf: Vec::new(), ..certificate.clone() };
    store.add_certificate(&spring, &a, &changed).await.unwrap();
    assert_eq!(store.certificate(&spring, &a).await.unwrap(), Some(certificate));
    assert_eq!(store.certified(&spring).await.unwrap(), [a]);
}

pub(crate) async fn party_signs_once(store: &Store) {
    let signature = |person: &str, ms| PartySignature {
        party: Right::Deployer,
        person: lit(person),
        at: at(ms),
        remark: String::new(),
    };
    let (spring, a) = (lit("spring"), lit("a"));
    assert!(store.add_signature(&spring, &a, &signature("lead", 1)).await.unwrap());
    assert!(!store.add_signature(&spring, &a, &signature("other", 2)).await.unwrap());
    let kept = store.signatures(&spring).await.unwrap();
    assert_eq!(kept, [(a, signature("lead", 1))]);
}
