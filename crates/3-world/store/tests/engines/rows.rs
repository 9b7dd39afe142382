//! What is written is what is read.

use jiff::Timestamp;
use refit_inventory::{
    ChangeKind, ClusterRecord, EngineerRecord, Fleet, HostRecord, RecordKind, SiteRecord,
};
use refit_journal::Cause;
use refit_names::{Digest, Generation, HostName};
use refit_plan::{OrderKey, Plan};
use refit_protocol::agent::{OrderReport, Standing};
use refit_protocol::v1::Right;
use refit_risk::{Exposure, Level, RiskEntry, RiskStatus};
use refit_store::fleet::Keep;
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

/// Puts hosts and says how many changes that were.
async fn put(store: &Store, hosts: &[HostRecord], keep: Keep) -> Result<usize, StoreError> {
    let put = |fleet: &mut Fleet| {
        for host in hosts {
            fleet.put_host(HostRecord { facts: None, last_seen: None, ..host.clone() });
        }
        Ok(fleet.changes().len())
    };
    store.change_fleet(None, keep, ("planner", at(6)), put).await
}

pub(crate) async fn change_that_is_refused_or_tried_leaves_nothing(store: &Store) {
    let hosts = [host("a", at(1)).record()];
    assert_eq!(put(store, &hosts, Keep::Try).await.unwrap(), 1);
    let refused: Result<(), StoreError> = store
        .change_fleet(None, Keep::Yes, ("planner", at(6)), |fleet| {
            fleet.put_host(host("a", at(1)).record());
            Err(StoreError::Exists { what: "host", key: "a".to_owned() })
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(store.hosts().await.unwrap(), []);
    assert_eq!(store.changes_of(RecordKind::Host, "a").await.unwrap(), []);
}

pub(crate) async fn every_change_of_a_record_is_kept_with_who_and_when(store: &Store) {
    let mut record = host("a", at(1)).record();
    put(store, &[record.clone()], Keep::Yes).await.unwrap();
    record.tier = 3;
    put(store, &[record], Keep::Yes).await.unwrap();
    let changes = store.changes_of(RecordKind::Host, "a").await.unwrap();
    let [made, changed] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(
        (made.who.as_str(), made.at, &made.change.what),
        ("planner", at(6), &ChangeKind::Created)
    );
    let ChangeKind::Updated { fields } = &changed.change.what else { panic!("{changed:?}") };
    let field = (fields[0].field.as_str(), fields[0].before.clone(), fields[0].after.clone());
    assert_eq!(field, ("tier", 0.into(), 3.into()));
}

pub(crate) async fn sites_clusters_and_engineers_are_kept_and_removed(store: &Store) {
    let site = SiteRecord {
        name: lit("north"),
        zone: "Europe/Berlin".to_owned(),
        bandwidth: None,
        down_at_once: Some(3),
    };
    let cluster = ClusterRecord {
        name: "db front".to_owned(),
        down_at_once: 1,
        members_max: Some(4),
        order: vec![lit("a")],
    };
    let engineer = EngineerRecord {
        name: lit("engineer"),
        skills: [lit("web")].into(),
        sites: [].into(),
        available: [].into(),
        hosts_at_once: 2,
    };
    let all = |fleet: &mut Fleet| -> Result<(), StoreError> {
        fleet.put_site(site.clone());
        fleet.put_cluster(cluster.clone());
        fleet.put_engineer(engineer.clone());
        Ok(())
    };
    store.change_fleet(None, Keep::Yes, ("planner", at(1)), all).await.unwrap();
    assert_eq!(store.sites().await.unwrap(), [site]);
    assert_eq!(store.clusters().await.unwrap(), [cluster]);
    assert_eq!(store.engineers().await.unwrap(), [engineer]);
    let gone = |fleet: &mut Fleet| -> Result<bool, StoreError> {
        Ok(fleet.remove_cluster(&"db front".to_owned()))
    };
    assert!(store.change_fleet(None, Keep::Yes, ("planner", at(2)), gone).await.unwrap());
    assert_eq!(store.clusters().await.unwrap(), []);
}

pub(crate) async fn risks_have_numbers_and_weights_have_versions(store: &Store) {
    let level = |n| Level::new(n).unwrap();
    let entry = RiskEntry {
        id: 0,
        host: lit("a"),
        text: "old".to_owned(),
        exposure: Exposure { likelihood: level(4), impact: level(3) },
        mitigation: String::new(),
        status: RiskStatus::Open,
        owner: None,
        due: Some(jiff::civil::date(2026, 6, 1)),
        by: lit("planner"),
        at: at(5),
    };
    let who = ("planner", at(5));
    let first = store.add_risk(entry.clone(), who).await.unwrap();
    let second = store.add_risk(RiskEntry { host: lit("b"), ..entry }, who).await.unwrap();
    assert_eq!((first.id, second.id), (1, 2));
    let accept = |entry: RiskEntry| -> Result<RiskEntry, StoreError> {
        let (reason, by, at) = ("borne".to_owned(), lit("owner"), at(6));
        Ok(RiskEntry { status: RiskStatus::Accepted { reason, by, at }, ..entry })
    };
    let accepted = store.change_risk(2, ("owner", at(6)), accept).await.unwrap();
    assert_eq!(store.risk_entries().await.unwrap(), [first.clone(), accepted]);
    assert_eq!(store.risk_entries_of(&lit("a")).await.unwrap(), [first]);
    let nobody = store.change_risk(9, who, accept).await;
    assert!(matches!(nobody, Err(StoreError::Missing { .. })), "{nobody:?}");

    let none = store.risk_weights().await.unwrap();
    let next =
        none.change(&[("cluster".to_owned(), Some(30))].into(), (&lit("planner"), at(5))).unwrap();
    store.set_risk_weights(&none, &next, who).await.unwrap();
    assert_eq!(store.risk_weights().await.unwrap(), next);
    let late = store.set_risk_weights(&none, &next, who).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
}

pub(crate) async fn import_keeps_what_agents_saw(store: &Store) {
    let mut record = host("a", at(1)).record();
    let other = host("b", at(1)).record();
    assert_eq!(put(store, &[record.clone(), other.clone()], Keep::Yes).await.unwrap(), 2);
    let facts = record.facts.take().unwrap();
    store.observe(&record.name, &facts, at(7)).await.unwrap();
    record.tags.insert("spare".to_owned());
    assert_eq!(put(store, &[record.clone(), other], Keep::Yes).await.unwrap(), 1);
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
    put(store, &[record], Keep::Yes).await.unwrap();
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
        stuck: None,
        at: at(3),
    };
    store.put_report(&lit("a"), &report("first"), at(4)).await.unwrap();
    store.put_report(&lit("a"), &report("second"), at(5)).await.unwrap();
    store.put_report(&lit("b"), &report("other"), at(5)).await.unwrap();
    let reports = store.reports(&lit("spring")).await.unwrap();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[&lit("a")], report("second"));
    assert!(store.reports(&lit("autumn")).await.unwrap().is_empty());

    let all = store.new_reports(&lit("spring"), |_, _| false).await.unwrap();
    assert_eq!(all.len(), 2);
    store.put_report(&lit("a"), &report("third"), at(5)).await.unwrap();
    let known = |host: &HostName, digest: &str| {
        all.iter().any(|old| old.host == *host && old.digest == digest)
    };
    let new = store.new_reports(&lit("spring"), known).await.unwrap();
    assert_eq!(new.len(), 1);
    assert_eq!((&new[0].host, &new[0].report), (&lit("a"), &report("third")));
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
    for _from_memory in [false, true] {
        assert_eq!(*store.plan(&rows[0].hash).await.unwrap(), rows[0]);
    }
}

pub(crate) async fn setting_is_replaced(store: &Store) {
    assert_eq!(store.setting("a").await.unwrap(), None);
    store.set_setting("a", "1").await.unwrap();
    store.set_setting("a", "ü \u{1f511}").await.unwrap();
    assert_eq!(store.setting("a").await.unwrap().as_deref(), Some("ü \u{1f511}"));
}
