//! "Does it fit?", pins, conflicts, and faults of the input.

use crate::fleet::*;
use refit_names::Coded;
use refit_plan::{Pin, PinnedTo};
use refit_planner::{PlanError, PlanInput, plan};
use refit_testkit::lit;

fn conflict(input: &PlanInput) -> Vec<String> {
    match plan(input).unwrap_err() {
        PlanError::DoesNotFit { conflict, .. } => conflict,
        other => panic!("{other}"),
    }
}

#[test]
fn plan_that_fits_says_so_by_being_made() {
    let mut input = input(vec![in_windows("a", 1, &["day"])]);
    input.demands.deadline = Some(lit("2026-03-02T10:00:00Z"));
    let (made, _) = judged(&input);
    assert_eq!(made.deadline, input.demands.deadline);
}

#[test]
fn deadline_that_cannot_be_kept_names_the_rules_in_conflict() {
    let mut input = input((0..3).map(|n| in_windows(&format!("h{n}"), n, &["night"])).collect());
    // Three waves of 45 minutes with an hour behind each do not fit into one night of four hours, which has to hold the
    // way back too.
    input.demands.deadline = Some(lit("2026-03-03T06:00:00Z"));
    let error = plan(&input).unwrap_err();
    assert_eq!(error.code(), "plan.does-not-fit");
    let text = error.to_string();
    assert!(text.starts_with("not finished by 2026-03-03T06:00:00Z: the plan ends at"), "{text}");
    for rule in &conflict(&input) {
        assert!(text.contains(rule));
    }
    assert_eq!(
        conflict(&input),
        [
            "window `night`: its hosts only while it is open",
            "each wave is watched for 60 min",
            "lowest risk first: one wave behind the other",
        ]
    );
}

#[test]
fn each_rule_of_a_conflict_is_needed() {
    let mut input = input(vec![in_windows("a", 1, &["night"])]);
    input.surroundings =
        around(windows(), vec![freeze("close", "2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z")]);
    input.demands.deadline = Some(lit("2026-03-03T06:00:00Z"));
    assert_eq!(conflict(&input), ["freeze `close`"], "without it, it fits: the window is no part");
    input.surroundings = around(windows(), Vec::new());
    input.demands.deadline = Some(lit("2026-03-02T12:00:00Z"));
    assert_eq!(conflict(&input), ["window `night`: its hosts only while it is open"]);
    input.demands.deadline = Some(lit("2026-03-02T08:20:00Z"));
    assert_eq!(conflict(&input), [""; 0], "no rule is to blame: the work alone takes longer");
}

#[test]
fn pin_is_kept() {
    let mut input = input(vec![in_windows("a", 1, &["day"])]);
    input.demands.pins = vec![Pin { host: lit("a"), when: PinnedTo::Day(lit("2026-03-05")) }];
    let (made, _) = judged(&input);
    assert_eq!(slot(&made, "a").starts_at, lit("2026-03-05T09:00:00Z"));
    assert!(made.waves[0].hosts[0].because.contains("pinned to 2026-03-05"));
    input.demands.pins[0].when = PinnedTo::Opening(lit("2026-03-04T12:00:00Z"));
    let (made, _) = judged(&input);
    assert_eq!(slot(&made, "a").starts_at, lit("2026-03-04T09:00:00Z"));
}

#[test]
fn pins_that_contradict_risk_are_a_conflict() {
    let mut input = input(vec![in_windows("low", 1, &["day"]), in_windows("high", 90, &["day"])]);
    input.demands.pins = vec![
        Pin { host: lit("low"), when: PinnedTo::Day(lit("2026-03-06")) },
        Pin { host: lit("high"), when: PinnedTo::Day(lit("2026-03-03")) },
    ];
    let found = conflict(&input);
    assert_eq!(
        found,
        [
            "host `high` is changed on 2026-03-03",
            "host `low` is changed on 2026-03-06",
            "lowest risk first: one wave behind the other"
        ]
    );
}

#[test]
fn pin_outside_of_all_windows_is_a_conflict() {
    let mut input = input(vec![in_windows("a", 1, &["sat-night"])]);
    input.demands.pins = vec![Pin { host: lit("a"), when: PinnedTo::Day(lit("2026-03-04")) }];
    assert_eq!(
        conflict(&input),
        [
            "host `a` is changed on 2026-03-04",
            "window `sat-night`: its hosts only while it is open"
        ]
    );
}

#[test]
fn all_faults_are_named_at_once() {
    let circle =
        |name: &str, first: &str| candidate(name, 1, |host| host.after = [lit(first)].into());
    let hosts = vec![
        circle("a", "b"),
        circle("b", "a"),
        in_windows("c", 1, &["nowhere"]),
        in_windows("past", 1, &["once"]),
        candidate("m1", 1, |host| host.cluster = Some("db".to_owned())),
        candidate("m2", 1, |host| host.cluster = Some("db".to_owned())),
        candidate("m2", 1, |host| host.cluster = Some("db".to_owned())),
    ];
    let mut input = input(hosts);
    let mut all = windows();
    all.push(window("once", "2025-01-01T00:00:00", "", 60, refit_names::TimeClass::Weekend));
    input.surroundings = around(all, Vec::new());
    input.surroundings.clusters = vec![cluster("db", 2, &["m1", "m9"])];
    input.surroundings.engineers = vec![engineer("idle", &["once"], 1), engineer("none", &[], 0)];
    let error = plan(&input).unwrap_err();
    let PlanError::Faults(faults) = &error else { panic!("{error}") };
    let codes: Vec<_> = faults.iter().map(refit_planner::Fault::code).collect();
    assert_eq!(
        codes,
        [
            "plan.duplicate",
            "plan.circle",
            "plan.unknown-window",
            "plan.window-never-opens",
            "plan.cluster-limit",
            "plan.cluster-limit",
            "plan.no-hours",
            "plan.no-hours",
        ],
        "{error}"
    );
    assert_eq!(error.code(), "plan.bad-input");
    assert!(error.to_string().contains("cluster `db` has `m9` in its order"));
}

#[test]
fn higher_tier_cannot_come_first() {
    let hosts = vec![
        candidate("a", 1, |host| host.after = [lit("b")].into()),
        candidate("b", 1, |host| host.tier = 1),
    ];
    assert_eq!(plan(&input(hosts)).unwrap_err().code(), "plan.tier-order");
}
