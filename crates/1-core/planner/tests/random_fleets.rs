//! Whatever the fleet looks like, the second judge finds nothing, and nobody is forgotten.
#![expect(clippy::disallowed_types, reason = "one test measures how long planning takes")]

use jiff::Timestamp;
use proptest::prelude::*;
use refit_inventory::HostRecord;
use refit_names::{Generation, Percent};
use refit_plan::{Advance, Plan};
use refit_planner::{Candidate, Demands, PlanError, PlanInput, Shape, Surroundings, plan};
use refit_risk::RiskScore;
use refit_testkit::{PRODUCT, catalog, host, lit, pack};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// What varies from host to host.
#[derive(Debug, Clone)]
struct Sketch {
    risk: u32,
    cluster: Option<u8>,
    /// Hosts before it, as places counted back from its own: never a circle.
    after: BTreeSet<usize>,
    /// Which build; the target among them.
    build: usize,
    kind: u8,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let cluster = prop_oneof![4 => Just(None), 1 => (0u8..3).prop_map(Some)];
    let after = prop_oneof![
        4 => Just(BTreeSet::new()),
        1 => proptest::collection::btree_set(1usize..6, 1..3),
    ];
    (0u32..30, cluster, after, 0usize..4, 0u8..12).prop_map(
        |(risk, cluster, after, build, kind)| Sketch { risk, cluster, after, build, kind },
    )
}

fn candidate(number: usize, sketch: &Sketch) -> Candidate {
    let builds = ["1000", "1000", "1100", "1200"];
    let mut built = host(&format!("host-{number:05}"), Timestamp::UNIX_EPOCH);
    built = built.at_build(builds[sketch.build]);
    if let Some(cluster) = sketch.cluster {
        built = built.in_cluster(&format!("cluster-{cluster}"));
    }
    for back in &sketch.after {
        if let Some(first) = number.checked_sub(*back) {
            built = built.after(&format!("host-{first:05}"));
        }
    }
    built = match sketch.kind {
        0 => built.retired(),
        1 => built.never_seen(),
        2 => built.quarantined("1200", "it lost a table"),
        _ => built,
    };
    let risk = RiskScore { score: sketch.risk, reasons: Vec::new() };
    Candidate { record: built.record(), risk, reachable: sketch.kind != 3 }
}

fn input(hosts: Vec<Candidate>, shares: &[u8]) -> PlanInput {
    let percent = |n: u8| Percent::new(n).unwrap();
    PlanInput {
        rollout: lit("spring"),
        generation: Generation::FIRST,
        parent: None,
        author: lit("planner"),
        now: Timestamp::UNIX_EPOCH,
        product: lit(PRODUCT),
        target: lit("1200"),
        wanted: BTreeSet::new(),
        hosts,
        catalog: catalog(vec![pack(&["1000"], "1100"), pack(&["1100"], "1200")]),
        parts: BTreeSet::new(),
        estimates: BTreeMap::new(),
        history: BTreeMap::new(),
        shape: Shape {
            shares: shares.iter().map(|share| percent(*share)).collect(),
            goal: percent(80),
            soak_ms: 0,
            timeout_ms: 3_600_000,
            parallel: 3,
            advance: Advance::Automatic,
        },
        failure_budget: 1,
        approvals_needed: 1,
        surroundings: Surroundings::default(),
        demands: Demands::default(),
        begun: None,
    }
}

fn judged(input: &PlanInput) -> Plan {
    let (made, report) = plan(input).unwrap();
    assert!(!report.remarks.is_empty());
    let records: Vec<HostRecord> = input.hosts.iter().map(|host| host.record.clone()).collect();
    assert_eq!(refit_plan_check::check(&made, &records, &input.catalog), []);
    made
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_second_judge_finds_nothing_and_nobody_is_forgotten(
        sketches in proptest::collection::vec(sketch(), 0..60),
        shares in proptest::collection::vec(0u8..=100, 1..5),
        turn in 0usize..60,
    ) {
        let hosts: Vec<_> = sketches.iter().enumerate().map(|(n, s)| candidate(n, s)).collect();
        let with_product = hosts.iter().filter(|h| h.record.product(&lit(PRODUCT)).is_some());
        let asked: BTreeSet<_> = with_product.map(|h| h.record.name.clone()).collect();
        let made = match plan(&input(hosts.clone(), &shares)) {
            Err(PlanError::Nobody { excluded, .. }) => {
                prop_assert_eq!(excluded.len(), asked.len());
                return Ok(());
            }
            _ => judged(&input(hosts.clone(), &shares)),
        };
        let placed = made.hosts().map(|(_, host)| host.host.clone());
        let left_out = made.excluded.iter().map(|excluded| excluded.host.clone());
        let named: BTreeSet<_> = placed.chain(left_out).collect();
        prop_assert_eq!(named, asked);
        prop_assert!(made.excluded.iter().all(|excluded| !excluded.because.is_empty()));
        let mut turned = hosts;
        let by = turn % turned.len().max(1);
        turned.rotate_left(by);
        prop_assert_eq!(judged(&input(turned, &shares)), made, "the order of the fleet matters");
    }
}

/// Quadratic work would take minutes here. The limit is generous: unoptimised, on a busy machine.
#[test]
fn a_fleet_of_twenty_thousand_is_planned_and_judged_in_seconds() {
    let sketch = |n: usize| Sketch {
        risk: (n * 7 % 100) as u32,
        cluster: None,
        after: if n % 10 == 9 { BTreeSet::from([1, 2]) } else { BTreeSet::new() },
        build: n % 3,
        kind: 5,
    };
    let hosts = (0..20_000).map(|n| candidate(n, &sketch(n))).collect();
    let input = input(hosts, &[1, 9, 30, 60]);
    let start = Instant::now();
    let made = judged(&input);
    assert_eq!(made.hosts().count(), 20_000);
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
}
