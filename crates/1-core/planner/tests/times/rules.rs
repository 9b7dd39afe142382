//! One rule each.

use crate::fleet::*;
use refit_names::{ByteSize, TimeClass};
use refit_packs::manifest::Estimate;
use refit_plan::{Pin, PinnedTo, Plan};
use refit_plan_check::Rule;
use refit_planner::{Begun, Demands, PlanInput};
use refit_testkit::{catalog, lit, pack};

const DAY: i64 = 24 * 60;

#[test]
fn hosts_without_windows_have_no_time() {
    let (made, report) = judged(&input(vec![in_windows("a", 1, &[]), in_windows("b", 2, &[])]));
    assert!(made.hosts().all(|(_, host)| host.slot.is_none()));
    assert_eq!(report.finish, None);
}

#[test]
fn host_starts_when_its_window_opens_and_says_so() {
    let (made, _) = judged(&input(vec![in_windows("a", 1, &["night"])]));
    assert_eq!(start(&made, "a"), 14 * 60);
    let because = &made.waves[0].hosts[0].because;
    assert!(because.ends_with("window night opens then"), "{because}");
}

#[test]
fn next_wave_starts_when_the_one_before_was_watched() {
    let (made, _) =
        judged(&input((0..3).map(|n| in_windows(&format!("h{n}"), n, &["day"])).collect()));
    assert_eq!(made.waves.len(), 3);
    // 45 minutes of work and an hour of watching each.
    assert_eq!([start(&made, "h0"), start(&made, "h1"), start(&made, "h2")], [60, 165, 270]);
}

#[test]
fn window_that_is_too_short_is_refused_with_the_arithmetic() {
    let mut input = input(vec![in_windows("a", 1, &["sat-night"]), in_windows("b", 2, &["day"])]);
    for estimate in input.estimates.values_mut() {
        estimate.p95_ms = 95 * MINUTE;
    }
    let (made, _) = judged(&input);
    assert_eq!(
        made.excluded[0].because,
        "window `sat-night` is 120 min; it needs 95 + 30 undo + 15 validation = 140 min"
    );
    assert_eq!(made.hosts().count(), 1);
}

#[test]
fn freeze_holds_hosts_back_and_an_emergency_does_not_care() {
    let mut input = input(vec![in_windows("a", 1, &["night"])]);
    let frozen = vec![freeze("spring-close", "2026-03-01T00:00:00Z", "2026-03-10T23:00:00Z")];
    input.surroundings = around(windows(), frozen);
    let (made, _) = judged(&input);
    // The freeze ends in the middle of Tuesday's opening, and what is left of it is long enough.
    assert_eq!(start(&made, "a"), 8 * DAY + 15 * 60);
    assert!(made.waves[0].hosts[0].because.contains("behind freeze spring-close"));
    input.demands.emergency = Some("a hole that is being used".to_owned());
    let (made, _) = judged(&input);
    assert_eq!(start(&made, "a"), 14 * 60);
    assert_eq!(made.approvals_needed, 2);
}

#[test]
fn only_so_many_hosts_of_a_site_are_down_at_once() {
    let hosts = (0..4).map(|n| in_windows(&format!("h{n}"), n, &["day"])).collect();
    let mut input = one_wave(input(hosts));
    input.surroundings.sites = vec![site("home", Some(2))];
    let (made, _) = judged(&input);
    let starts: Vec<_> = (0..4).map(|n| start(&made, &format!("h{n}"))).collect();
    assert_eq!(starts, [60, 60, 105, 105]);
    assert!(
        made.waves[0].hosts[3].because.contains("site home has its 2 hosts down at once before")
    );
}

#[test]
fn nobody_is_in_two_places() {
    let at = |name: &str, place: &str, risk| {
        candidate(name, risk, |host| {
            host.site = lit(place);
            host.windows = [lit("day")].into();
        })
    };
    let hosts = vec![at("n1", "north", 1), at("n2", "north", 2), at("s1", "south", 3)];
    let mut input = one_wave(input(hosts));
    input.surroundings.engineers = vec![engineer("engineer-a", &["day"], 2)];
    let (made, _) = judged(&input);
    assert_eq!([start(&made, "n1"), start(&made, "n2"), start(&made, "s1")], [60, 60, 105]);
    assert!(made.hosts().all(|(_, host)| !host.slot.as_ref().unwrap().people.is_empty()));
}

#[test]
fn work_is_given_to_who_knows_it() {
    let role = |name: &str, role: &str| {
        candidate(name, 1, |host| {
            host.role = lit(role);
            host.windows = [lit("day")].into();
        })
    };
    let mut input =
        one_wave(input(vec![role("dc", "domain-controller"), role("fp", "file-print")]));
    let mut expert = engineer("expert", &[], 1);
    expert.skills = [lit("domain-controller")].into();
    input.surroundings.engineers = vec![engineer("all-rounder", &["day"], 1), expert];
    let (made, _) = judged(&input);
    assert_eq!(slot(&made, "dc").people, [lit("expert")].into());
    assert_eq!(slot(&made, "fp").people, [lit("all-rounder")].into());
}

#[test]
fn tiers_follow_each_other_with_canaries_of_their_own() {
    let tiered = |n: u32| candidate(&format!("h{n:02}"), 50 - n, |host| host.tier = n % 2);
    let (made, _) = judged(&input((0..20).map(tiered).collect()));
    let sizes: Vec<_> = made.waves.iter().map(|wave| wave.hosts.len()).collect();
    assert_eq!(sizes, [1, 3, 6, 1, 3, 6]);
}

#[test]
fn cluster_keeps_its_limit_and_its_order() {
    let member =
        |n: u32| candidate(&format!("m{n}"), n, |host| host.cluster = Some("db".to_owned()));
    let mut input = one_wave(input((0..5).map(member).collect()));
    input.surroundings.clusters = vec![cluster("db", 2, &["m4"])];
    let (made, _) = judged(&input);
    let waves: Vec<Vec<_>> = made
        .waves
        .iter()
        .map(|wave| wave.hosts.iter().map(|host| host.host.as_str()).collect())
        .collect();
    assert_eq!(waves, [vec!["m4"], vec!["m0", "m1"], vec!["m2", "m3"]]);
}

#[test]
fn content_sets_out_in_time() {
    let hosts = (0..3).map(|n| in_windows(&format!("h{n}"), n, &["day"])).collect();
    let mut input = one_wave(input(hosts));
    let mut narrow = site("home", None);
    // Five megabytes per host take an hour and a half.
    narrow.bandwidth = Some(ByteSize((5 << 20) / 5400));
    input.surroundings.sites = vec![narrow];
    let (made, _) = judged(&input);
    assert!(start(&made, "h0") >= 90 && start(&made, "h2") >= 270);
    assert_eq!(made.staging.len(), 1);
    assert!(made.staging[0].start_by >= made.made_at);
    assert!(made.waves[0].hosts[0].because.contains("its content is at site home by then"));
}

#[test]
fn work_goes_into_working_hours_where_that_delays_nobody() {
    let hosts =
        vec![in_windows("slow", 1, &["sat-night"]), in_windows("free", 2, &["night", "day"])];
    let mut input = one_wave(input(hosts));
    input.now = lit("2026-03-02T19:00:00Z");
    let (made, _) = judged(&input);
    assert_eq!(slot(&made, "free").class, TimeClass::WorkingHours);
    input.hosts.remove(0);
    let (made, _) = judged(&input);
    assert_eq!(
        slot(&made, "free").class,
        TimeClass::OutOfHours,
        "alone, it is done earlier by night"
    );
}

#[test]
fn scarce_host_is_not_kept_out_by_one_that_could_wait() {
    let mut input =
        one_wave(input(vec![in_windows("free", 1, &[]), in_windows("scarce", 2, &["noon"])]));
    input.shape.parallel = 1;
    let mut windows = windows();
    windows.push(window(
        "noon",
        "2026-03-02T08:20:00",
        "FREQ=MONTHLY",
        75,
        TimeClass::WorkingHours,
    ));
    input.surroundings = around(windows, Vec::new());
    let (made, report) = judged(&input);
    assert_eq!(start(&made, "scarce"), 20);
    assert_eq!(report.finish, Some(lit("2026-03-02T09:50:00Z")), "the other one right behind it");
}

#[test]
fn time_class_picks_among_windows() {
    let mut night = in_windows("a", 1, &["day", "night"]);
    night.record.time_class = Some(TimeClass::OutOfHours);
    let mut any = in_windows("b", 2, &[]);
    any.record.time_class = Some(TimeClass::Weekend);
    let (made, _) = judged(&input(vec![night, any]));
    assert_eq!(slot(&made, "a").opening.window, lit("night"));
    assert_eq!(slot(&made, "b").opening.window, lit("sat-night"));
}

/// Breaks one rule of a good plan at a time: the second judge must name it.
#[test]
fn every_rule_about_times_can_fire() {
    let at = |n: u32| {
        candidate(&format!("h{n}"), n, |host| {
            host.windows = [lit("day")].into();
            host.site = lit(if n.is_multiple_of(2) { "north" } else { "south" });
        })
    };
    let mut good = input((0..8).map(at).collect());
    let mut north = site("north", Some(2));
    north.bandwidth = Some(ByteSize(1 << 30));
    good.surroundings.sites = vec![north, site("south", Some(2))];
    let frozen = vec![freeze("later", "2026-03-20T00:00:00Z", "2026-03-21T00:00:00Z")];
    good.surroundings.calendar = around(windows(), frozen).calendar;
    good.surroundings.engineers = vec![engineer("a", &["day"], 1), engineer("b", &["day"], 1)];
    good.demands = Demands { deadline: Some(lit("2026-03-20T00:00:00Z")), ..good.demands };
    let (made, _) = judged(&good);
    let last = made.waves.len() - 1;
    let fires = |rule: Rule, change: &dyn Fn(&mut Plan)| {
        let mut bad = made.clone();
        change(&mut bad);
        let found = findings(&good, &bad);
        assert!(found.iter().any(|finding| finding.rule == rule), "{rule:?} is silent: {found:?}");
    };
    let move_by = |plan: &mut Plan, wave: usize, minutes: i64| {
        for host in &mut plan.waves[wave].hosts {
            let slot = host.slot.as_mut().unwrap();
            slot.starts_at += jiff::SignedDuration::from_mins(minutes);
        }
    };
    let to = |plan: &mut Plan, wave: usize, host: usize, start: &str| {
        plan.waves[wave].hosts[host].slot.as_mut().unwrap().starts_at = lit(start);
    };
    fires(Rule::Reserve, &|plan| to(plan, last, 0, "2026-03-02T16:30:00Z"));
    fires(Rule::Reserve, &|plan| plan.waves[0].hosts[0].undo_p95_ms = 8 * 60 * MINUTE);
    fires(Rule::Windows, &|plan| {
        plan.waves[0].hosts[0].slot.as_mut().unwrap().opening.window = lit("night");
    });
    fires(Rule::Windows, &|plan| {
        let slot = plan.waves[0].hosts[0].slot.as_mut().unwrap();
        slot.opening.closes_at = lit("2026-03-02T18:00:00Z");
    });
    fires(Rule::Windows, &|plan| {
        plan.waves[0].hosts[0].slot.as_mut().unwrap().class = TimeClass::Weekend;
    });
    fires(Rule::Freezes, &|plan| to(plan, last, 0, "2026-03-20T10:00:00Z"));
    fires(Rule::Freezes, &|plan| plan.emergency = Some("so".to_owned()));
    fires(Rule::Deadline, &|plan| to(plan, last, 0, "2026-03-20T10:00:00Z"));
    fires(Rule::Times, &|plan| plan.waves[0].hosts[0].slot = None);
    fires(Rule::Times, &|plan| to(plan, 0, 0, "2026-03-01T10:00:00Z"));
    fires(Rule::Soak, &|plan| move_by(plan, 1, -30));
    fires(Rule::Staff, &|plan| plan.waves[0].hosts[0].slot.as_mut().unwrap().people.clear());
    fires(Rule::Staff, &|plan| {
        plan.waves[0].hosts[0].slot.as_mut().unwrap().people = [lit("nobody")].into();
    });
    fires(Rule::Staff, &|plan| {
        for host in &mut plan.waves[last].hosts {
            let slot = host.slot.as_mut().unwrap();
            (slot.people, slot.starts_at) = ([lit("a")].into(), lit("2026-03-02T15:00:00Z"));
        }
    });
    fires(Rule::Sites, &|plan| {
        for host in &mut plan.waves[last].hosts {
            host.site = lit("north");
            host.slot.as_mut().unwrap().starts_at = lit("2026-03-02T15:00:00Z");
        }
    });
    fires(Rule::Parallel, &|plan| plan.waves[last].parallel = 1);
    fires(Rule::Staging, &|plan| plan.staging.clear());
    fires(Rule::Reasons, &|plan| plan.waves[0].hosts[0].because.clear());
    fires(Rule::Canaries, &|plan| {
        let host = plan.waves[1].hosts.remove(0);
        plan.waves[0].hosts.push(host);
    });
}

/// The rules that need a fleet of their own: tiers, the order and the limit of a cluster, dependencies, pins, what has begun.
#[test]
fn every_rule_about_places_can_fire() {
    let at = |n: u32| {
        candidate(&format!("h{n}"), n, |host| {
            host.windows = [lit("day")].into();
            host.tier = u32::from(n >= 6);
            host.cluster = (n < 4).then(|| "db".to_owned());
            host.after = if n == 5 { [lit("h4")].into() } else { Default::default() };
        })
    };
    let mut good = input((0..9).map(at).collect());
    good.surroundings.clusters = vec![cluster("db", 2, &["h3", "h2"])];
    good.demands.pins = vec![
        Pin { host: lit("h8"), when: PinnedTo::Day(lit("2026-03-06")) },
        Pin { host: lit("h7"), when: PinnedTo::Opening(lit("2026-03-05T10:00:00Z")) },
    ];
    let (made, _) = judged(&good);
    let place = |plan: &Plan, name: &str| {
        let mut waves = plan.waves.iter().enumerate();
        let found = waves.find_map(|(wave, planned)| {
            let at = planned.hosts.iter().position(|host| host.host.as_str() == name)?;
            Some((wave, at))
        });
        found.unwrap()
    };
    let swap = |plan: &mut Plan, one: &str, two: &str| {
        let (one, two) = (place(plan, one), place(plan, two));
        let first = plan.waves[one.0].hosts[one.1].clone();
        let second = std::mem::replace(&mut plan.waves[two.0].hosts[two.1], first);
        plan.waves[one.0].hosts[one.1] = second;
    };
    let fires = |input: &PlanInput, made: &Plan, rule: Rule, change: &dyn Fn(&mut Plan)| {
        let mut bad = made.clone();
        change(&mut bad);
        let found = findings(input, &bad);
        assert!(found.iter().any(|finding| finding.rule == rule), "{rule:?} is silent: {found:?}");
    };
    fires(&good, &made, Rule::Tiers, &|plan| swap(plan, "h0", "h6"));
    fires(&good, &made, Rule::Clusters, &|plan| swap(plan, "h3", "h2"));
    fires(&good, &made, Rule::Clusters, &|plan| swap(plan, "h2", "h1"));
    fires(&good, &made, Rule::Clusters, &|plan| {
        // A third member beside the two that may be down.
        let (wave, at) = place(plan, "h3");
        let host = plan.waves[wave].hosts.remove(at);
        let (wave, _) = place(plan, "h0");
        plan.waves[wave].hosts.push(host);
    });
    fires(&good, &made, Rule::Dependencies, &|plan| swap(plan, "h4", "h5"));
    fires(&good, &made, Rule::RiskOrder, &|plan| swap(plan, "h6", "h8"));
    for pinned in ["h8", "h7"] {
        fires(&good, &made, Rule::Pins, &|plan| {
            let (wave, at) = place(plan, pinned);
            let slot = plan.waves[wave].hosts[at].slot.as_mut().unwrap();
            let later = jiff::SignedDuration::from_hours(24);
            slot.starts_at += later;
            (slot.opening.opens_at, slot.opening.closes_at) =
                (slot.opening.opens_at + later, slot.opening.closes_at + later);
        });
    }
    let begun: std::collections::BTreeSet<_> =
        made.waves[0].hosts.iter().map(|host| host.host.clone()).collect();
    let mut again = good.clone();
    again.generation = made.generation.next();
    again.parent = Some(made.hash().unwrap());
    again.begun = Some(Begun { plan: made.clone(), hosts: begun.clone() });
    let (child, _) = judged(&again);
    let first = begun.first().unwrap().as_str();
    fires(&again, &child, Rule::Begun, &|plan| {
        let (wave, at) = place(plan, first);
        plan.waves[wave].hosts[at].slot.as_mut().unwrap().starts_at +=
            jiff::SignedDuration::from_mins(1);
    });
    fires(&again, &child, Rule::Begun, &|plan| {
        let (wave, at) = place(plan, first);
        plan.waves[wave].hosts.remove(at);
    });
    fires(&again, &child, Rule::Begun, &|plan| {
        let (wave, at) = place(plan, first);
        let host = plan.waves[wave].hosts.remove(at);
        plan.waves[wave + 1].hosts.push(host);
    });
}

#[test]
fn hosts_that_take_as_long_may_fetch_more() {
    let of = |number: u32| {
        // Those of lower risk fetch one pack, the others two; the first of them takes no time.
        let build = if number < 30 { "1100" } else { "1000" };
        let mut candidate = in_windows(&format!("h{number:02}"), number, &["day"]);
        let windows = std::mem::take(&mut candidate.record.windows);
        let host = refit_testkit::host(&format!("h{number:02}"), monday()).at_build(build);
        candidate.record = host.with(|host| host.windows = windows).record();
        candidate
    };
    let mut input = one_wave(input((0..60).map(of).collect()));
    let [first, second] = [pack(&["1000"], "1100"), pack(&["1100"], "1200")];
    let estimate = input.estimates.values().next().copied().unwrap();
    let none = Estimate { p50_ms: 0, p95_ms: 0, undo_p95_ms: 0 };
    input.estimates =
        [(first.record_digest, none), (second.record_digest, estimate)].into_iter().collect();
    input.catalog = catalog(vec![first, second]);
    input.shape.parallel = 60;
    let mut narrow = site("home", None);
    // Ten minutes each pack.
    narrow.bandwidth = Some(ByteSize((5 << 20) / 600));
    input.surroundings.sites = vec![narrow];
    let (made, _) = judged(&input);
    assert_eq!(made.hosts().count(), 60);
}
