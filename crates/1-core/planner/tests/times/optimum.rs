//! Small fleets against an oracle: every order of the hosts, each at its earliest start. Such schedules hold an optimum.

use crate::fleet::*;
use proptest::prelude::*;
use refit_planner::{Candidate, PlanInput};
use refit_testkit::lit;

const WINDOWS: [&str; 3] = ["day", "night", "sat-night"];

/// Windows and site of one host.
type Sketch = (usize, Option<usize>, bool);

fn fleet(sketches: &[Sketch], parallel: u32, south: u32, minutes: u64) -> PlanInput {
    let host = |(number, (first, second, in_south)): (usize, &Sketch)| -> Candidate {
        candidate(&format!("h{number}"), 1, |host| {
            host.windows =
                std::iter::once(first).chain(second).map(|at| lit(WINDOWS[*at])).collect();
            host.site = lit(if *in_south { "south" } else { "north" });
        })
    };
    let mut input = one_wave(input(sketches.iter().enumerate().map(host).collect()));
    input.shape.parallel = parallel;
    input.surroundings.sites = vec![site("south", Some(south))];
    for estimate in input.estimates.values_mut() {
        estimate.p95_ms = minutes * MINUTE;
    }
    input
}

/// Openings of a host in minutes from now on.
fn openings(input: &PlanInput, host: &Candidate) -> Vec<(i64, i64)> {
    let until = input.now + jiff::SignedDuration::from_hours(24 * 40);
    let minute = |at: jiff::Timestamp| (at.as_second() - input.now.as_second()) / 60;
    let found = host.record.windows.iter().flat_map(|window| {
        input.surroundings.calendar.openings_unfrozen(window, input.now, until).unwrap()
    });
    found.map(|one| (minute(one.opens_at).max(0), minute(one.closes_at))).collect()
}

/// The earliest finish over all orders, in minutes.
fn best(input: &PlanInput, minutes: i64, parallel: usize, south: usize) -> i64 {
    let open: Vec<_> = input.hosts.iter().map(|host| openings(input, host)).collect();
    let in_south: Vec<bool> =
        input.hosts.iter().map(|h| h.record.site.as_str() == "south").collect();
    let (busy, need) = (minutes + 15, minutes + 15 + 30);
    let mut best = i64::MAX;
    let mut order: Vec<usize> = (0..input.hosts.len()).collect();
    permute(&mut order, 0, &mut |order| {
        let mut taken: Vec<(i64, bool)> = Vec::new();
        for host in order {
            let ends = taken.iter().map(|(start, _)| start + busy);
            let mut starts: Vec<i64> =
                open[*host].iter().map(|(from, _)| *from).chain(ends).collect();
            starts.sort_unstable();
            // All take as long: the most at once is reached at a start.
            let room = |at: i64| {
                let inside = |start: i64| start < at + busy && start + busy > at;
                let most = |of: &dyn Fn(bool) -> bool| {
                    let near: Vec<i64> = taken
                        .iter()
                        .filter(|(s, site)| inside(*s) && of(*site))
                        .map(|(s, _)| *s)
                        .collect();
                    let moments = near.iter().map(|s| (*s).max(at));
                    moments
                        .map(|m| near.iter().filter(|s| **s <= m && **s + busy > m).count())
                        .max()
                        .unwrap_or(0)
                };
                most(&|_| true) < parallel && (!in_south[*host] || most(&|site| site) < south)
            };
            let fits = |at: &i64| {
                open[*host].iter().any(|(from, until)| from <= at && at + need <= *until)
                    && room(*at)
            };
            let Some(start) = starts.into_iter().find(fits) else { return };
            taken.push((start, in_south[*host]));
        }
        best = best.min(taken.iter().map(|(start, _)| start + busy).max().unwrap_or(0));
    });
    best
}

fn permute(order: &mut Vec<usize>, at: usize, see: &mut impl FnMut(&[usize])) {
    if at + 1 >= order.len() {
        return see(order);
    }
    for other in at..order.len() {
        order.swap(at, other);
        permute(order, at + 1, see);
        order.swap(at, other);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_fleets_end_as_early_as_can_be(
        sketches in proptest::collection::vec((0usize..3, proptest::option::of(0usize..3), any::<bool>()), 1..7),
        parallel in 1u32..4,
        south in 1u32..3,
        minutes in 5u64..70,
    ) {
        let input = fleet(&sketches, parallel, south, minutes);
        let (_, report) = judged(&input);
        let finish = (report.finish.unwrap().as_second() - input.now.as_second()) / 60;
        let minutes = i64::try_from(minutes).unwrap();
        prop_assert_eq!(finish, best(&input, minutes, parallel as usize, south as usize));
    }
}
