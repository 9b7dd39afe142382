//! Whatever fleet, windows, people and limits: the second judge finds nothing and nobody is forgotten.

use crate::fleet::*;
use proptest::prelude::*;
use refit_names::{ByteSize, Percent, TimeClass};
use refit_planner::{Candidate, PlanError, PlanInput, plan};
use refit_testkit::lit;
use std::collections::BTreeSet;

const SITES: [&str; 3] = ["north", "south", "west"];
const ROLES: [&str; 2] = ["app", "database"];
const WINDOWS: [&str; 3] = ["day", "night", "sat-night"];

#[derive(Debug, Clone)]
struct Sketch {
    risk: u32,
    site: usize,
    role: usize,
    windows: BTreeSet<usize>,
    class: Option<TimeClass>,
    tier: u32,
    cluster: Option<u8>,
    after: BTreeSet<usize>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let class = prop_oneof![
        6 => Just(None),
        1 => Just(Some(TimeClass::Weekend)),
        1 => Just(Some(TimeClass::WorkingHours)),
    ];
    (
        0u32..30,
        0usize..3,
        0usize..2,
        proptest::collection::btree_set(0usize..3, 0..3),
        class,
        0u32..3,
        prop_oneof![4 => Just(None), 1 => (0u8..2).prop_map(Some)],
        prop_oneof![4 => Just(BTreeSet::new()), 1 => proptest::collection::btree_set(1usize..6, 1..3)],
    )
        .prop_map(|(risk, site, role, windows, class, tier, cluster, after)| Sketch {
            risk, site, role, windows, class, tier, cluster, after,
        })
}

fn of(sketches: &[Sketch], number: usize) -> Candidate {
    let sketch = &sketches[number];
    candidate(&format!("host-{number:03}"), sketch.risk, |host| {
        host.site = lit(SITES[sketch.site]);
        host.role = lit(ROLES[sketch.role]);
        host.windows = sketch.windows.iter().map(|at| lit(WINDOWS[*at])).collect();
        // Only what its windows have.
        let classes = [TimeClass::WorkingHours, TimeClass::OutOfHours, TimeClass::Weekend];
        let has = |class: TimeClass| {
            sketch.windows.is_empty() || sketch.windows.iter().any(|at| classes[*at] == class)
        };
        host.time_class = sketch.class.filter(|class| has(*class));
        host.tier = sketch.tier;
        host.cluster = sketch.cluster.map(|number| format!("cluster-{number}"));
        let before = sketch.after.iter().filter_map(|back| number.checked_sub(*back));
        let lawful = before.filter(|first| sketches[*first].tier <= sketch.tier);
        host.after = lawful.map(|first| lit(&format!("host-{first:03}"))).collect();
    })
}

#[derive(Debug, Clone)]
struct World {
    down: [Option<u32>; 3],
    line: Option<u64>,
    people: Vec<(usize, u32, bool)>,
    frozen_days: Option<(u32, u32)>,
    parallel: u32,
    minutes: u64,
    soak_hours: u64,
    shares: Vec<u8>,
    limit: u32,
}

fn world() -> impl Strategy<Value = World> {
    let down = || prop_oneof![2 => Just(None), 1 => (1u32..3).prop_map(Some)];
    (
        [down(), down(), down()],
        prop_oneof![3 => Just(None), 1 => (1_000u64..2_000_000).prop_map(Some)],
        proptest::collection::vec((0usize..4, 1u32..4, any::<bool>()), 0..4),
        prop_oneof![2 => Just(None), 1 => (0u32..10, 1u32..20).prop_map(Some)],
        1u32..5,
        1u64..70,
        0u64..30,
        proptest::collection::vec(1u8..=100, 1..4),
        1u32..3,
    )
        .prop_map(
            |(down, line, people, frozen_days, parallel, minutes, soak_hours, shares, limit)| {
                World {
                    down,
                    line,
                    people,
                    frozen_days,
                    parallel,
                    minutes,
                    soak_hours,
                    shares,
                    limit,
                }
            },
        )
}

fn fleet(sketches: &[Sketch], world: &World) -> PlanInput {
    let mut input = input((0..sketches.len()).map(|number| of(sketches, number)).collect());
    input.shape.parallel = world.parallel;
    input.shape.soak_ms = world.soak_hours * 60 * MINUTE;
    input.shape.shares = world.shares.iter().map(|share| Percent::new(*share).unwrap()).collect();
    for estimate in input.estimates.values_mut() {
        estimate.p95_ms = world.minutes * MINUTE;
    }
    let freezes = world.frozen_days.map(|(after, days)| {
        let from = monday() + jiff::SignedDuration::from_hours(i64::from(after) * 24);
        let until = from + jiff::SignedDuration::from_hours(i64::from(days) * 24);
        let mut freeze = freeze("close", &from.to_string(), &until.to_string());
        freeze.scope.sites = [lit("north"), lit("west")].into();
        freeze
    });
    input.surroundings = around(windows(), freezes.into_iter().collect());
    for (name, down) in SITES.iter().zip(world.down) {
        let mut record = site(name, down);
        record.bandwidth = world.line.filter(|_| *name == "south").map(ByteSize);
        input.surroundings.sites.push(record);
    }
    let members = |at: u8| sketches.iter().filter(|sketch| sketch.cluster == Some(at)).count();
    for at in 0..2 {
        if members(at) > usize::try_from(world.limit).unwrap() {
            input.surroundings.clusters.push(cluster(&format!("cluster-{at}"), world.limit, &[]));
        }
    }
    for (number, (at, units, always)) in world.people.iter().enumerate() {
        let hours: &[&str] = if *always { &[] } else { &["day", "night", "sat-night"] };
        let mut person = engineer(&format!("engineer-{number}"), hours, *units);
        person.sites = SITES.get(*at).map(|site| lit(site)).into_iter().collect();
        input.surroundings.engineers.push(person);
    }
    input
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_second_judge_finds_nothing(
        sketches in proptest::collection::vec(sketch(), 1..50),
        world in world(),
    ) {
        let input = fleet(&sketches, &world);
        let made = match plan(&input) {
            Ok(_) => judged(&input).0,
            Err(PlanError::Nobody { excluded, .. }) => {
                prop_assert_eq!(excluded.len(), input.hosts.len());
                return Ok(());
            }
            Err(PlanError::Faults(faults)) => {
                let lawful = |fault: &refit_planner::Fault| {
                    matches!(fault.code(), "plan.nobody-knows" | "plan.no-hours" | "plan.cluster-limit")
                };
                prop_assert!(faults.iter().all(lawful), "{:?}", faults);
                return Ok(());
            }
            Err(other) => panic!("{other}"),
        };
        let placed = made.hosts().map(|(_, host)| host.host.clone());
        let named: BTreeSet<_> = placed.chain(made.excluded.iter().map(|e| e.host.clone())).collect();
        prop_assert_eq!(named.len(), input.hosts.len());
        let mut turned = input.clone();
        turned.hosts.reverse();
        prop_assert_eq!(judged(&turned).0, made, "the order of the fleet matters");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Waves of so many hosts are placed by sending people to sites, and their last hosts take the places of others.
    #[test]
    fn the_second_judge_finds_nothing_in_large_waves(
        mut sketches in proptest::collection::vec(sketch(), 49..120),
        mut world in world(),
        known in 1u32..6,
        at_once in prop_oneof![Just(4u32), Just(30)],
    ) {
        for sketch in &mut sketches {
            (sketch.tier, sketch.cluster) = (0, None);
            sketch.after.clear();
        }
        world.shares = vec![100];
        world.people.push((SITES.len(), known, true));
        world.parallel = at_once;
        let input = fleet(&sketches, &world);
        match plan(&input) {
            Ok((_, report)) => {
                let (made, _) = judged(&input);
                prop_assert_eq!(made.hosts().count() + made.excluded.len(), sketches.len());
                prop_assert!(report.bound <= report.finish);
            }
            Err(other) => panic!("{other}"),
        }
    }
}
