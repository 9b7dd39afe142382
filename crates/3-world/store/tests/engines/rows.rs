//! What is written is what is read.

use jiff::Timestamp;
use refit_journal::Cause;
use refit_names::{Digest, Generation};
use refit_plan::{OrderKey, Plan};
use refit_protocol::agent::{OrderReport, Standing};
use refit_protocol::v1::Right;
use refit_store::{Store, StoreError, plans::PlanRow, users::UserRow};
use refit_testkit::{PlanBuilder, host, lit};
use std::collections::BTreeSet;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

pub(crate) fn plan_of_spring() -> Plan {
    let plan = PlanBuilder::along(&["1000", "1100"]).wave(&["a"]);
    plan.with(|plan| plan.rollout = lit("spring")).plan()
}

pub(crate) async fn user_is_found_by_the_hash_of_its_token_only(store: &Store) {
    let user = UserRow {
        name: lit("planner"),
        rights: BTreeSet::from([Right::Planner, Right::ApplicationOwner]),
        token_hash: Digest::of(b"token"),
        made_at: at(5),
    };
    store.add_user(&user).await.unwrap();
    assert_eq!(store.user_by_token(&Digest::of(b"token")).await.unwrap(), Some(user.clone()));
    assert_eq!(store.user_by_token(&Digest::of(b"other")).await.unwrap(), None);
    let twice = store.add_user(&UserRow { token_hash: Digest::of(b"x"), ..user.clone() }).await;
    assert!(matches!(twice, Err(StoreError::Exists { .. })), "{twice:?}");
    assert_eq!(store.users().await.unwrap(), [user]);
}

pub(crate) async fn import_keeps_what_agents_saw(store: &Store) {
    let mut record = host("a", at(1)).record();
    let done = store.import_hosts(&[record.clone(), host("b", at(1)).record()]).await.unwrap();
    assert_eq!((done.created, done.updated, done.unchanged), (2, 0, 0));
    let facts = record.facts.take().unwrap();
    store.observe(&record.name, &facts, at(7)).await.unwrap();
    record.tags.insert("spare".to_owned());
    let done = store.import_hosts(&[record.clone(), host("b", at(1)).record()]).await.unwrap();
    assert_eq!((done.created, done.updated, done.unchanged), (0, 1, 1));
    let kept = store.host(&record.name).await.unwrap().unwrap();
    assert_eq!((kept.facts, kept.last_seen), (Some(facts.clone()), Some(at(7))));
    assert!(kept.tags.contains("spare"));
    store.seen(&[(record.name.clone(), at(9))]).await.unwrap();
    assert_eq!(store.host(&record.name).await.unwrap().unwrap().last_seen, Some(at(9)));
    let nobody = store.observe(&lit("nobody"), &facts, at(7)).await;
    assert!(matches!(nobody, Err(StoreError::Missing { .. })), "{nobody:?}");
}

pub(crate) async fn enrolment_does_not_forget_what_people_said(store: &Store) {
    let mut record = host("a", at(1)).record();
    record.tags.insert("spare".to_owned());
    store.import_hosts(&[record]).await.unwrap();
    store.enrol_host(&lit("a"), &lit("south"), &lit("web")).await.unwrap();
    store.enrol_host(&lit("new"), &lit("south"), &lit("web")).await.unwrap();
    let hosts = store.hosts().await.unwrap();
    assert_eq!(hosts.len(), 2);
    assert!(hosts[0].tags.contains("spare"));
    assert_eq!(hosts[0].site.as_str(), "south");
}

pub(crate) async fn last_report_of_a_host_replaces_the_one_before(store: &Store) {
    let report = |text: &str| OrderReport {
        key: OrderKey { rollout: lit("spring"), generation: Generation::FIRST },
        plan: Digest::ZERO,
        standing: Standing::Refused {
            cause: Cause { code: "x.y".to_owned(), text: text.to_owned() },
        },
        at: at(3),
    };
    store.put_report(&lit("a"), &report("first"), at(4)).await.unwrap();
    store.put_report(&lit("a"), &report("second"), at(5)).await.unwrap();
    store.put_report(&lit("b"), &report("other"), at(5)).await.unwrap();
    let reports = store.reports(&lit("spring")).await.unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[&lit("a")], report("second"));
    assert!(store.reports(&lit("autumn")).await.unwrap().is_empty());
}

pub(crate) async fn newest_plan_is_that_of_the_highest_generation(store: &Store) {
    assert_eq!(store.newest_plan(&lit("spring")).await.unwrap(), None);
    let mut rows = Vec::new();
    for generation in [1, 2, 10] {
        let mut plan = plan_of_spring();
        plan.generation = Generation(generation);
        let hash = plan.hash().unwrap();
        let row = PlanRow { hash, plan, report: vec!["a".to_owned()], findings: Vec::new() };
        store.add_plan(&row).await.unwrap();
        rows.push(row);
    }
    assert_eq!(store.newest_plan(&lit("spring")).await.unwrap().as_ref(), rows.last());
    assert_eq!(store.plan(&rows[0].hash).await.unwrap(), rows[0]);
}

pub(crate) async fn setting_is_replaced(store: &Store) {
    assert_eq!(store.setting("a").await.unwrap(), None);
    store.set_setting("a", "1").await.unwrap();
    store.set_setting("a", "ü \u{1f511}").await.unwrap();
    assert_eq!(store.setting("a").await.unwrap().as_deref(), Some("ü \u{1f511}"));
}
