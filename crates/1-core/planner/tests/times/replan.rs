//! A plan that replaces one that has begun, estimates from history, and the way back.

use crate::fleet::*;
use refit_names::Generation;
use refit_plan::{Change, ReturnWay, diff};
use refit_planner::{Begun, Measured, RollbackInput, rollback};
use refit_testkit::lit;
use std::collections::BTreeMap;

#[test]
fn what_has_begun_is_never_moved() {
    let mut input = input((0..10).map(|n| in_windows(&format!("h{n}"), n, &["day"])).collect());
    let (parent, _) = judged(&input);
    let begun: std::collections::BTreeSet<_> = [lit("h0"), lit("h1")].into();
    input.generation = Generation(2);
    input.parent = Some(parent.hash().unwrap());
    input.begun = Some(Begun { plan: parent.clone(), hosts: begun.clone() });
    input.now = lit("2026-03-02T12:00:00Z");
    // A freeze that nobody knew of moves the rest.
    input.surroundings.calendar =
        around(windows(), vec![freeze("close", "2026-03-02T12:00:00Z", "2026-03-05T00:00:00Z")])
            .calendar;
    // It reports its new build by now.
    input.hosts[0].record.facts.as_mut().unwrap().products[0].build = Some(lit("1200"));
    let (child, _) = judged(&input);
    assert_eq!(child.begun, begun);
    let place = |plan: &refit_plan::Plan, name: &str| {
        let (wave, host) = plan.hosts().find(|(_, host)| host.host.as_str() == name).unwrap();
        (wave.name.clone(), host.slot.clone())
    };
    for host in ["h0", "h1"] {
        assert_eq!(place(&child, host), place(&parent, host));
    }
    assert!(
        child.hosts().count() == 10 && slot(&child, "h9").starts_at >= lit("2026-03-05T00:00:00Z")
    );
    let moved = diff(&parent, &child);
    let of_begun = moved.iter().filter(|change| match change {
        Change::SlotMoved { host, .. } | Change::HostMoved { host, .. } => begun.contains(host),
        _ => false,
    });
    assert_eq!(of_begun.count(), 0);
    assert!(moved.iter().any(|change| matches!(change, Change::SlotMoved { .. })));
}

#[test]
fn enough_finished_runs_count_more_than_the_pack() {
    let mut input = input(vec![in_windows("a", 1, &["day"])]);
    let digest = input.catalog.packs[0].record_digest;
    let measured =
        |runs| Measured { runs, p50_ms: 5 * MINUTE, p95_ms: 10 * MINUTE, ..Measured::default() };
    input.history = BTreeMap::from([((digest, lit("app")), measured(4))]);
    let (made, _) = judged(&input);
    assert_eq!(made.waves[0].hosts[0].p95_ms, 30 * MINUTE, "four are too few");
    input.history = BTreeMap::from([((digest, lit("app")), measured(12))]);
    let (made, report) = judged(&input);
    let host = &made.waves[0].hosts[0];
    assert_eq!((host.p50_ms, host.p95_ms), (5 * MINUTE, 10 * MINUTE));
    assert_eq!(
        host.estimated_from,
        "build 1200: 12 finished runs of role app (its pack says 30 min)"
    );
    assert!(report.remarks.iter().any(|line| line.contains("12 finished runs")));
}

#[test]
fn way_back_goes_in_reverse_within_windows() {
    let mut input =
        one_wave(input((0..4).map(|n| in_windows(&format!("h{n}"), n, &["day"])).collect()));
    input.shape.parallel = 1;
    let (made, _) = judged(&input);
    input.now = lit("2026-03-02T18:00:00Z");
    let ways = BTreeMap::from([(lit("h0"), ReturnWay::ByPerson)]);
    let wave = made.waves[0].name.clone();
    let back =
        rollback(&RollbackInput { around: &input, plan: &made, wave: &wave, ways: &ways }).unwrap();
    let hosts: Vec<_> = back.hosts.iter().map(|host| host.host.as_str()).collect();
    // Only h0 was changed: it waits for nobody.
    assert_eq!(hosts, ["h0", "h3", "h2", "h1"]);
    let starts: Vec<_> =
        back.hosts.iter().map(|host| host.slot.as_ref().unwrap().starts_at).collect();
    assert!(starts.is_sorted() && starts[0] == lit("2026-03-03T09:00:00Z"), "{starts:?}");
    assert_eq!(
        (back.hosts[0].way, back.hosts[3].way),
        (ReturnWay::ByPerson, ReturnWay::NotChanged)
    );
    assert!(back.describe().contains("1200 → 1000"));
}
