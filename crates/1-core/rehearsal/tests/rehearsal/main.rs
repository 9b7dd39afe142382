//! A plan is rehearsed: what comes out agrees with what can be worked out by hand.

mod sample;

use refit_names::{Coded as _, Percent};
use refit_plan::Advance;
use refit_rehearsal::{
    Assumptions, Chance, Duration95, HaltCause, Rehearsal, RehearsalInput, RehearsalReport,
};
use sample::{MINUTE_MS, at, lucky, open, plan, rehearse};
use std::collections::BTreeMap;

fn failing(percent: &str) -> Assumptions {
    Assumptions { failure: Some(percent.parse::<Chance>().unwrap()), ..lucky() }
}

fn halt(report: &RehearsalReport) -> (&str, HaltCause) {
    (report.halts[0].wave.as_str(), report.halts[0].cause)
}

#[test]
fn same_seed_gives_the_same_bytes_in_any_order_of_runs() {
    let plan = plan(&[2, 6, 12]);
    let json = |seed| {
        serde_json::to_string(&rehearse(&plan, 50, seed, Assumptions::default()).unwrap()).unwrap()
    };
    assert_eq!(json(1), json(1));
    assert_ne!(json(1), json(2), "another seed is another luck");
    let input = RehearsalInput {
        plan: &plan,
        runs: 50,
        seed: 1,
        assumptions: Assumptions::default(),
        experience: BTreeMap::new(),
    };
    let rehearsal = Rehearsal::new(&input).unwrap();
    let mut backwards: Vec<_> = (0..50).rev().map(|run| rehearsal.run(run).unwrap()).collect();
    backwards.reverse();
    assert_eq!(serde_json::to_string(&rehearsal.summary(&backwards)).unwrap(), json(1));
}

#[test]
fn without_bad_luck_every_run_completes_and_nothing_fails() {
    let report = rehearse(&plan(&[1, 3, 8]), 40, 7, lucky()).unwrap();
    assert_eq!((report.completes.runs, report.completes.of), (40, 40));
    assert!(report.halts.is_empty());
    assert_eq!((report.failures_p95, report.misses_a_window.runs), (0, 0));
    let finish = report.finish.unwrap();
    assert!(finish.p5 <= finish.p50 && finish.p50 <= finish.p95 && finish.p95 <= finish.last);
    assert_eq!(report.finish_histogram.iter().map(|bin| bin.runs).sum::<u32>(), 40);
}

#[test]
fn hosts_of_fixed_duration_take_exactly_their_rounds_and_soaks() {
    let fixed = Assumptions { p50_of_p95_percent: 100, ..lucky() };
    let report = rehearse(&plan(&[4, 8]), 5, 1, fixed).unwrap();
    // One round and two rounds of four at a time, ten minutes each, with a second for each sync; ten minutes of soak twice.
    let expected = i64::try_from(50 * MINUTE_MS).unwrap() + 3_000;
    let takes = report.takes.unwrap();
    assert_eq!((takes.p50_ms, takes.max_ms), (expected, expected));
    assert_eq!(report.longest_idle.p50_ms, i64::try_from(10 * MINUTE_MS).unwrap() + 1_000);
}

#[test]
fn every_host_failing_halts_in_the_first_wave() {
    let report = rehearse(&plan(&[10, 10]), 20, 3, failing("100%")).unwrap();
    assert_eq!(report.completes.runs, 0);
    assert!(report.finish.is_none() && report.takes.is_none());
    assert_eq!(halt(&report), ("wave-1", HaltCause::WaveBudget));
    assert_eq!(report.waves[1].reached.runs, 0);
    assert!(report.failures_mean >= 3.0, "budget is 2: the third failure halts");
    assert!(report.failures_mean <= 6.0, "at most four run when the third fails");
}

#[test]
fn a_wave_that_tolerates_failures_still_halts_at_the_budget_of_the_rollout() {
    let mut tight = plan(&[10, 10]);
    tight.failure_budget = 0;
    let report = rehearse(&tight, 20, 3, failing("100%")).unwrap();
    assert_eq!(halt(&report), ("wave-1", HaltCause::RolloutBudget));
    let mut goal = plan(&[10]);
    goal.waves[0].goal = Percent::HUNDRED;
    let report = rehearse(&goal, 20, 3, failing("100%")).unwrap();
    assert_eq!(halt(&report), ("wave-1", HaltCause::Goal));
}

#[test]
fn expected_failures_are_chance_times_hosts() {
    let mut patient = plan(&[50]);
    patient.failure_budget = 50;
    patient.waves[0].failure_budget = 50;
    patient.waves[0].goal = Percent::new(0).unwrap();
    let report = rehearse(&patient, 400, 11, failing("10%")).unwrap();
    assert!((report.failures_mean - 5.0).abs() < 0.4, "{}", report.failures_mean);
    assert_eq!(report.completes.runs, 400);
}

#[test]
fn a_window_that_is_too_short_is_missed_and_a_long_one_is_not() {
    let mut fits = plan(&[4]);
    open(&mut fits.waves[0], "2026-11-26T20:00:00Z", 120, &["engineer-1"]);
    let good = rehearse(&fits, 50, 5, lucky()).unwrap();
    assert_eq!(good.waves[0].fits.runs, 50);
    assert!(good.waves[0].begins.unwrap().p5 >= at("2026-11-26T20:00:00Z"));
    let mut narrow = plan(&[4]);
    open(&mut narrow.waves[0], "2026-11-26T20:00:00Z", 12, &["engineer-1"]);
    let bad = rehearse(&narrow, 50, 5, lucky()).unwrap();
    assert_eq!(bad.waves[0].fits.runs, 0, "estimate and way back need fifteen minutes");
    assert!(bad.waves[0].begins.is_none(), "nobody begins what cannot be finished");
    assert_eq!(bad.waves[0].reached.runs, 50);
    assert_eq!((bad.left_out_mean, bad.completes.runs), (4.0, 50), "people leave them out");
}

#[test]
fn a_host_that_becomes_too_slow_for_its_window_is_turned_back() {
    let mut narrow = plan(&[4]);
    open(&mut narrow.waves[0], "2026-11-26T20:00:00Z", 16, &[]);
    let slow = Assumptions { p50_of_p95_percent: 100, ..lucky() };
    assert_eq!(rehearse(&narrow, 5, 5, slow).unwrap().turned_back_mean, 0.0);
    narrow.waves[0].hosts.iter_mut().for_each(|host| host.p95_ms = 9 * MINUTE_MS);
    let spread = Assumptions { p50_of_p95_percent: 40, ..lucky() };
    let report = rehearse(&narrow, 400, 5, spread).unwrap();
    assert!(report.turned_back_mean > 0.0 && report.turned_back_mean < 1.0, "about one in thirty");
}

#[test]
fn out_of_hours_work_is_counted_once_for_who_looks_after_several_hosts() {
    let fixed = Assumptions { p50_of_p95_percent: 100, ..lucky() };
    let mut plan = plan(&[4]);
    open(&mut plan.waves[0], "2026-11-26T20:00:00Z", 120, &["engineer-1", "engineer-2"]);
    let report = rehearse(&plan, 5, 5, fixed).unwrap();
    let ten_minutes = i64::try_from(10 * MINUTE_MS).unwrap();
    let work: Vec<_> = report
        .out_of_hours
        .iter()
        .map(|line| (line.person.as_ref().unwrap().to_string(), line.work.p50_ms))
        .collect();
    assert_eq!(
        work,
        [("engineer-1".to_owned(), ten_minutes), ("engineer-2".to_owned(), ten_minutes)]
    );
}

#[test]
fn a_gate_by_hand_waits_for_working_hours() {
    let mut manual = plan(&[4, 4]);
    manual.waves[0].advance = Advance::Manual;
    open(&mut manual.waves[0], "2026-11-27T20:00:00Z", 120, &[]);
    let quick = Assumptions { decision: Duration95 { p50_ms: 1_000, p95_ms: 1_000 }, ..lucky() };
    let report = rehearse(&manual, 10, 5, quick).unwrap();
    // Friday evening; the next working hours begin on Monday.
    assert!(report.waves[1].begins.unwrap().p5 >= at("2026-11-30T08:00:00Z"));
    assert_eq!(report.completes.runs, 10);
}

#[test]
fn silent_and_unprepared_hosts_are_left_out_and_the_rest_goes_on() {
    let silent = Assumptions {
        unreachable: Chance::per_million(100_000),
        prepare_failure: Chance::per_million(600_000),
        outage: Duration95 { p50_ms: 1 << 40, p95_ms: 1 << 40 },
        ..lucky()
    };
    let report = rehearse(&plan(&[10, 10]), 50, 9, silent).unwrap();
    assert!(report.left_out_mean > 2.0 && report.left_out_mean < 5.0, "{}", report.left_out_mean);
    assert_eq!(report.failures_mean, 0.0);
    assert_eq!(report.completes.runs, 50);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_code() {
    let refused = |plan: &refit_plan::Plan, runs, assumptions| {
        rehearse(plan, runs, 1, assumptions).unwrap_err()
    };
    let none = refused(&plan(&[]), 1, lucky());
    assert_eq!(none.code(), "rehearsal.no-hosts");
    assert_eq!(
        refused(&plan(&[1]), 0, lucky()).to_string(),
        "number of runs is 0, expected 1 to 100000"
    );
    let odd = Assumptions { p50_of_p95_percent: 0, ..lucky() };
    assert_eq!(refused(&plan(&[1]), 1, odd).code(), "rehearsal.out-of-range");
}

#[test]
fn hosts_that_had_begun_under_the_plan_before_are_not_rehearsed_again() {
    let mut second = plan(&[2, 6]);
    second.parent = Some(refit_names::Digest::of(b"first"));
    second.generation = refit_names::Generation(2);
    second.begun = ["w1-h0", "w1-h1", "w2-h3"].map(|name| name.parse().unwrap()).into();
    let report = rehearse(&second, 5, 1, lucky()).unwrap();
    assert_eq!((report.hosts, report.waves.len(), report.completes.runs), (5, 1, 5));
    assert_eq!(report.plan, second.hash().unwrap());
    second.begun = second.hosts().map(|(_, host)| host.host.clone()).collect();
    assert_eq!(rehearse(&second, 5, 1, lucky()).unwrap_err().code(), "rehearsal.no-hosts");
}

#[test]
fn a_plan_that_replaced_another_is_rehearsed_too() {
    let mut second = plan(&[3]);
    second.parent = Some(refit_names::Digest::of(b"first"));
    second.generation = refit_names::Generation(2);
    let report = rehearse(&second, 5, 1, lucky()).unwrap();
    assert_eq!(report.plan, second.hash().unwrap());
    assert_eq!(report.completes.runs, 5);
}
