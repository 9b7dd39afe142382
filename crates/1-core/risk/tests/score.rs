//! Every number of a score can be traced.

use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;
use refit_inventory::{
    Criticality, HostRecord, ObservedFacts, ObservedProduct, ServiceState, StatedFacts,
};
use refit_names::ByteSize;
use refit_risk::{
    Exposure, KnownIssue, Level, PastFailure, RiskEntry, RiskInput, RiskScore, RiskStatus, Weights,
    score, score_without,
};
use std::collections::{BTreeMap, BTreeSet};

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn host() -> HostRecord {
    HostRecord {
        criticality: Criticality::Critical,
        cluster: Some("db".to_owned()),
        ..HostRecord::new(name("db-1"), name("north"), name("database"))
    }
}

fn failure() -> PastFailure {
    PastFailure { rollout: name("winter"), at: Timestamp::UNIX_EPOCH, cause: "no room".to_owned() }
}

fn exposure(likelihood: u8, impact: u8) -> Exposure {
    Exposure { likelihood: Level::new(likelihood).unwrap(), impact: Level::new(impact).unwrap() }
}

fn entry(id: u64, exposure: Exposure, left: Option<Exposure>) -> RiskEntry {
    let (by, at) = (name("planner"), now());
    RiskEntry {
        id,
        host: name("db-1"),
        text: "the controller's battery is old".to_owned(),
        exposure,
        mitigation: "replace it".to_owned(),
        status: left.map_or(RiskStatus::Open, |left| RiskStatus::Mitigated { left, by, at }),
        owner: None,
        due: None,
        by: name("owner"),
        at: now(),
    }
}

#[derive(Default)]
struct Around {
    failures: Vec<PastFailure>,
    issues: Vec<KnownIssue>,
    entries: Vec<RiskEntry>,
    weights: Weights,
}

fn scored(host: &HostRecord, around: &Around, legs: u32) -> RiskScore {
    score(&RiskInput {
        host,
        product: None,
        legs,
        failures: &around.failures,
        issues: &around.issues,
        entries: &around.entries,
        weights: &around.weights,
        now: now(),
    })
}

fn lines(score: &RiskScore) -> Vec<(&str, u32)> {
    score.reasons.iter().map(|reason| (reason.code.as_str(), reason.points)).collect()
}

#[test]
fn every_number_can_be_traced() {
    let around = Around { failures: vec![failure()], ..Around::default() };
    let score = scored(&host(), &around, 2);
    assert_eq!(
        lines(&score),
        [
            ("criticality", 40),
            ("never-seen", 20),
            ("cluster", 15),
            ("history", 10),
            ("role", 10),
            ("distance", 4)
        ]
    );
    assert_eq!(score.score, 99);
    for reason in &score.reasons {
        assert!(
            !reason.mitigation.is_empty() && !reason.source.is_empty() && !reason.weight.is_empty(),
            "{reason:?}"
        );
    }
    let history = score.reasons.iter().find(|reason| reason.code == "history").unwrap();
    assert_eq!(
        (history.source.as_str(), history.known_at),
        ("rollout winter", Some(Timestamp::UNIX_EPOCH))
    );
}

#[test]
fn plain_role_adds_nothing() {
    let plain = HostRecord { role: name("app"), ..host() };
    assert!(lines(&scored(&plain, &Around::default(), 0)).iter().all(|(code, _)| *code != "role"));
}

#[test]
fn what_people_stated_of_a_machine_counts_until_its_agent_reports() {
    let old = now().checked_sub((24 * 200).hours()).unwrap();
    let stated = StatedFacts {
        booted_at: Some(old),
        backup_at: Some(old),
        by: Some(name("owner")),
        ..StatedFacts::default()
    };
    let score = scored(&HostRecord { stated: Some(stated), ..host() }, &Around::default(), 0);
    let found = lines(&score);
    assert!(found.contains(&("boot", 10)) && found.contains(&("backup", 8)), "{found:?}");
    let boot = score.reasons.iter().find(|reason| reason.code == "boot").unwrap();
    assert_eq!(boot.source, "said by owner");
}

fn product(product: &str, backup_at: Option<Timestamp>) -> ObservedProduct {
    ObservedProduct {
        name: name(product),
        build: Some(name("1000")),
        root: format!("/srv/{product}"),
        size: ByteSize(1),
        free: ByteSize(1 << 40),
        services: ServiceState::Running,
        parameters: BTreeMap::new(),
        backup_at,
        parts: BTreeSet::new(),
        quarantined: BTreeMap::new(),
    }
}

fn seen(observed_at: Timestamp, products: Vec<ObservedProduct>) -> HostRecord {
    let facts = ObservedFacts {
        observed_at,
        os: "linux".to_owned(),
        os_release: "Debian 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1".to_owned(),
        boot_id: "boot".to_owned(),
        booted_at: Some(now()),
        memory: ByteSize(8 << 30),
        virtualisation: Some("kvm".to_owned()),
        agent_version: "1".to_owned(),
        products,
    };
    HostRecord { facts: Some(facts), ..host() }
}

#[test]
fn a_clock_that_is_ahead_is_a_reason_and_one_that_is_nearly_right_is_none() {
    let found = |minutes: i64| {
        let host = seen(now().checked_add(minutes.minutes()).unwrap(), Vec::new());
        let score = scored(&host, &Around::default(), 0);
        let clock = score.reasons.into_iter().find(|reason| reason.code == "clock");
        clock.map(|reason| (reason.points, reason.text))
    };
    assert_eq!(found(-600), None);
    assert_eq!(found(5), None);
    assert_eq!(found(90), Some((10, "its clock is 90 min ahead of the server's".to_owned())));
}

#[test]
fn one_product_without_a_backup_counts_as_much_as_a_host_without() {
    let code = |products| {
        let score = scored(&seen(now(), products), &Around::default(), 0);
        let backup = score.reasons.into_iter().find(|reason| reason.code == "backup");
        backup.map(|reason| reason.weight)
    };
    assert_eq!(code(vec![product("ledger", Some(now())), product("reports", Some(now()))]), None);
    let half = vec![product("ledger", Some(now())), product("reports", None)];
    assert_eq!(code(half).as_deref(), Some("backup.missing"));
}

#[test]
fn mitigation_lowers_the_score_by_what_it_changed() {
    let plain =
        HostRecord { criticality: Criticality::Low, cluster: None, role: name("app"), ..host() };
    let open = Around { entries: vec![entry(7, exposure(4, 5), None)], ..Around::default() };
    let done = Around {
        entries: vec![entry(7, exposure(4, 5), Some(exposure(1, 3)))],
        ..Around::default()
    };
    let (before, after) = (scored(&plain, &open, 0), scored(&plain, &done, 0));
    assert_eq!((before.score, after.score), (40, 23), "20 for never seen");
    assert_eq!(score_without(&after, 7), before.score);
    assert_eq!(score_without(&after, 8), after.score, "another risk changes nothing");
}

#[test]
fn risk_of_another_host_does_not_count() {
    let other = RiskEntry { host: name("db-2"), ..entry(1, exposure(5, 5), None) };
    let around = Around { entries: vec![other], ..Around::default() };
    assert!(lines(&scored(&host(), &around, 0)).iter().all(|(code, _)| *code != "stated"));
}

#[test]
fn known_issues_have_a_limit_together() {
    let issue = |id: &str, holds| KnownIssue {
        pack: "ledger 1200".to_owned(),
        id: id.to_owned(),
        text: "slow".to_owned(),
        holds,
    };
    let around = Around {
        issues: vec![issue("A", true), issue("B", false), issue("C", true)],
        ..Around::default()
    };
    let found = scored(&host(), &around, 0);
    let points: u32 = found
        .reasons
        .iter()
        .filter(|reason| reason.code == "known-issue")
        .map(|reason| reason.points)
        .sum();
    assert_eq!(points, 30);
}

proptest! {
    #[test]
    fn score_is_the_sum_of_its_reasons_capped_at_a_hundred(
        criticality in 0usize..4,
        legs in 0u32..12,
        failures in 0usize..6,
        exposures in prop::collection::vec((1u8..=5, 1u8..=5, prop::option::of((1u8..=5, 1u8..=5))), 0..6),
        weights in prop::collection::btree_map(prop::sample::select(Weights::default().all().into_iter().map(|weight| weight.name).collect::<Vec<_>>()), prop::option::of(0u32..200), 0..8),
    ) {
        let host = HostRecord { criticality: Criticality::ALL[criticality], ..host() };
        let entries = exposures.iter().zip(1..).map(|((likelihood, impact, left), id)| entry(id, exposure(*likelihood, *impact), left.map(|(l, i)| exposure(l, i)))).collect();
        let weights = Weights::default().change(&weights, (&name("planner"), now())).unwrap();
        let around = Around { failures: vec![failure(); failures], entries, weights, ..Around::default() };
        let found = scored(&host, &around, legs);
        let sum: u64 = found.reasons.iter().map(|reason| u64::from(reason.points)).sum();
        prop_assert_eq!(u64::from(found.score), sum.min(100));
        prop_assert!(found.reasons.iter().all(|reason| reason.points > 0));
        prop_assert!(found.reasons.windows(2).all(|pair| pair[0].points >= pair[1].points));
        prop_assert_eq!(&found, &scored(&host, &around, legs), "the same input gives the same score");
    }
}
