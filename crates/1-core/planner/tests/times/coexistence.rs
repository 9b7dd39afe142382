//! Builds of a cluster side by side, for a limited time.

use crate::fleet::*;
use refit_packs::manifest::Coexistence;
use refit_plan_check::Rule;
use refit_planner::{PlanError, PlanInput, plan};
use refit_testkit::lit;

/// Two members in the same window, one behind the other; `minutes` side by side are allowed.
fn cluster_of_two(minutes: u64) -> PlanInput {
    let member = |name: &str, risk| {
        candidate(name, risk, |host| {
            host.cluster = Some("blue".to_owned());
            host.windows = [lit("day")].into();
        })
    };
    let other = in_windows("other", 3, &["day"]);
    let mut input = input(vec![member("a", 1), member("b", 2), other]);
    input.catalog.packs[0].terms.coexistence = Some(Coexistence {
        with: [lit("1000")].into(),
        for_ms: Some(minutes * MINUTE),
        because: "the replication format changed".to_owned(),
    });
    input
}

#[test]
fn a_cluster_that_is_done_soon_enough_is_planned() {
    // The second one starts when the first one's 45 minutes and the hour of watching are over, and takes 30.
    let (made, _) = judged(&cluster_of_two(135));
    assert_eq!([start(&made, "a"), start(&made, "b")], [60, 165]);
}

#[test]
fn a_cluster_that_would_be_mixed_for_too_long_is_left_out_with_the_arithmetic() {
    let input = cluster_of_two(134);
    let (made, _) = judged(&input);
    let left_out: Vec<&str> = made.excluded.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(left_out, ["a", "b"]);
    assert_eq!(
        made.excluded[0].because,
        "build `1200` may run beside others in cluster blue for 2 h 14 min only, and its members would take 2 h 15 min \
         from the first one's start to the last one's end: the replication format changed"
    );
    assert_eq!(start(&made, "other"), 60);
}

#[test]
fn a_member_that_stays_behind_keeps_the_others() {
    let mut input = cluster_of_two(600);
    input.hosts[1].record.windows = [lit("sat-night")].into();
    for estimate in input.estimates.values_mut() {
        estimate.p95_ms = 95 * MINUTE;
    }
    let (made, _) = judged(&input);
    let because = &made.excluded[0].because;
    assert!(because.contains("for 10 h only, and `b` would stay at build `1000`"), "{because}");
    input.hosts.pop();
    assert!(matches!(plan(&input), Err(PlanError::Nobody { .. })));
}

#[test]
fn the_second_judge_sees_both() {
    let good = cluster_of_two(135);
    let (made, _) = judged(&good);
    let told = |change: &dyn Fn(&mut PlanInput)| {
        let mut other = good.clone();
        change(&mut other);
        let found = findings(&other, &made);
        assert!(found.iter().any(|finding| finding.rule == Rule::Coexistence), "{found:?}");
    };
    let rule = |input: &mut PlanInput| input.catalog.packs[0].terms.coexistence.take().unwrap();
    told(&|input| {
        let long = Coexistence { for_ms: Some(134 * MINUTE), ..rule(input) };
        input.catalog.packs[0].terms.coexistence = Some(long);
    });
    told(&|input| {
        let none = Coexistence { with: [].into(), ..rule(input) };
        input.catalog.packs[0].terms.coexistence = Some(none);
    });
    told(&|input| {
        let third = candidate("c", 1, |host| host.cluster = Some("blue".to_owned()));
        input.hosts.push(third);
    });
}
