//! Fleets with windows, people and limits, in a line each.

use jiff::Timestamp;
use refit_calendar::{Calendar, Freeze, Scope, Window};
use refit_inventory::{ClusterRecord, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{Generation, Percent, TimeClass};
use refit_packs::manifest::Estimate;
use refit_plan::{Advance, Plan};
use refit_plan_check::{CheckInput, Finding, judge};
use refit_planner::{Candidate, Demands, PlanInput, PlanReport, Shape, Surroundings, plan};
use refit_risk::RiskScore;
use refit_testkit::{PRODUCT, catalog, host, lit, pack};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const MINUTE: u64 = 60_000;

/// A Monday, eight in the morning in UTC.
pub(crate) fn monday() -> Timestamp {
    lit("2026-03-02T08:00:00Z")
}

pub(crate) fn window(
    name: &str,
    starts: &str,
    rule: &str,
    minutes: u32,
    class: TimeClass,
) -> Window {
    Window {
        name: lit(name),
        about: String::new(),
        zone: "UTC".to_owned(),
        starts: starts.parse().unwrap(),
        rule: (!rule.is_empty()).then(|| rule.to_owned()),
        minutes,
        class,
        except: BTreeSet::new(),
        extra: BTreeSet::new(),
    }
}

/// Working hours, nights of working days, and Saturday nights.
pub(crate) fn windows() -> Vec<Window> {
    vec![
        window(
            "day",
            "2026-01-05T09:00:00",
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
            480,
            TimeClass::WorkingHours,
        ),
        window(
            "night",
            "2026-01-05T22:00:00",
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH",
            240,
            TimeClass::OutOfHours,
        ),
        window("sat-night", "2026-01-03T22:00:00", "FREQ=WEEKLY;BYDAY=SA", 120, TimeClass::Weekend),
    ]
}

pub(crate) fn freeze(name: &str, from: &str, until: &str) -> Freeze {
    Freeze {
        name: name.to_owned(),
        from: lit(from),
        until: lit(until),
        scope: Scope::default(),
        reason: "year end".to_owned(),
    }
}

pub(crate) fn candidate(name: &str, risk: u32, change: impl FnOnce(&mut HostRecord)) -> Candidate {
    Candidate {
        record: host(name, monday()).with(change).record(),
        risk: RiskScore { score: risk, reasons: Vec::new() },
        reachable: true,
    }
}

/// A host with these windows.
pub(crate) fn in_windows(name: &str, risk: u32, windows: &[&str]) -> Candidate {
    candidate(name, risk, |host| host.windows = windows.iter().map(|name| lit(name)).collect())
}

/// Each host takes 30 minutes, 30 back and 15 for validation; waves of a tenth, a third and the rest, an hour apart.
pub(crate) fn input(hosts: Vec<Candidate>) -> PlanInput {
    let percent = |n| Percent::new(n).unwrap();
    let catalog = catalog(vec![pack(&["1000"], "1200")]);
    let estimate = Estimate { p50_ms: 20 * MINUTE, p95_ms: 30 * MINUTE, undo_p95_ms: 30 * MINUTE };
    PlanInput {
        rollout: lit("spring"),
        generation: Generation::FIRST,
        parent: None,
        author: lit("planner"),
        now: monday(),
        product: lit(PRODUCT),
        target: lit("1200"),
        wanted: BTreeSet::new(),
        hosts,
        estimates: catalog.packs.iter().map(|pack| (pack.record_digest, estimate)).collect(),
        catalog,
        parts: BTreeSet::new(),
        history: BTreeMap::new(),
        shape: Shape {
            shares: vec![percent(10), percent(30), percent(60)],
            goal: percent(80),
            soak_ms: 60 * MINUTE,
            timeout_ms: 24 * 60 * MINUTE,
            parallel: 4,
            advance: Advance::Automatic,
        },
        failure_budget: 1,
        approvals_needed: 1,
        surroundings: around(windows(), Vec::new()),
        demands: Demands { validation_ms: 15 * MINUTE, ..Demands::default() },
        begun: None,
    }
}

/// One wave, nothing watched.
pub(crate) fn one_wave(mut input: PlanInput) -> PlanInput {
    input.shape.shares = vec![Percent::HUNDRED];
    input.shape.soak_ms = 0;
    input
}

pub(crate) fn around(windows: Vec<Window>, freezes: Vec<Freeze>) -> Surroundings {
    Surroundings { calendar: Calendar::new(windows, freezes).unwrap(), ..Surroundings::default() }
}

pub(crate) fn site(name: &str, down_at_once: Option<u32>) -> SiteRecord {
    SiteRecord { name: lit(name), zone: "UTC".to_owned(), bandwidth: None, down_at_once }
}

pub(crate) fn cluster(name: &str, down_at_once: u32, order: &[&str]) -> ClusterRecord {
    serde_json::from_value(
        serde_json::json!({ "name": name, "down_at_once": down_at_once, "order": order }),
    )
    .unwrap()
}

pub(crate) fn engineer(name: &str, available: &[&str], at_once: u32) -> EngineerRecord {
    EngineerRecord {
        name: lit(name),
        skills: BTreeSet::new(),
        sites: BTreeSet::new(),
        available: available.iter().map(|name| lit(name)).collect(),
        hosts_at_once: at_once,
    }
}

pub(crate) fn findings(input: &PlanInput, made: &Plan) -> Vec<Finding> {
    let records: Vec<HostRecord> = input.hosts.iter().map(|host| host.record.clone()).collect();
    judge(&CheckInput {
        plan: made,
        hosts: &records,
        catalog: &input.catalog,
        calendar: Some(&input.surroundings.calendar),
        sites: &input.surroundings.sites,
        clusters: &input.surroundings.clusters,
        engineers: &input.surroundings.engineers,
        pins: &input.demands.pins,
        shares: &input.shape.shares,
        parent: input.begun.as_ref().map(|begun| &begun.plan),
    })
}

/// Every plan made in a test passes through the second judge.
pub(crate) fn judged(input: &PlanInput) -> (Plan, PlanReport) {
    let (made, report) = plan(input).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(findings(input, &made), [], "{}", made.describe());
    if let (Some(finish), Some(bound)) = (report.finish, report.bound) {
        assert!(bound <= finish, "the bound {bound} lies behind the finish {finish}");
    }
    (made, report)
}

/// When a host starts, in minutes after the plan was made.
pub(crate) fn start(plan: &Plan, host: &str) -> i64 {
    let slot = slot(plan, host);
    (slot.starts_at.as_millisecond() - plan.made_at.as_millisecond()) / 60_000
}

pub(crate) fn slot<'a>(plan: &'a Plan, host: &str) -> &'a refit_plan::Slot {
    let found = plan.hosts().find(|(_, planned)| planned.host.as_str() == host);
    found.unwrap().1.slot.as_ref().unwrap()
}
