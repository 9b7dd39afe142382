//! Small fleets with people against an oracle: every order of the hosts, and everybody who could do each of them.

use crate::fleet::*;
use proptest::prelude::*;
use refit_planner::PlanInput;
use refit_testkit::lit;

const WINDOWS: [&str; 3] = ["day", "night", "sat-night"];
const ROLES: [&str; 2] = ["app", "database"];
const SITES: [&str; 2] = ["north", "south"];

/// Window, site and role of one host.
type Host = (usize, usize, usize);
/// Hosts at once, the only role that they know, when they work.
type Person = (u32, Option<usize>, Option<usize>);

fn fleet(hosts: &[Host], people: &[Person], south: u32, minutes: u64) -> PlanInput {
    let each = hosts.iter().enumerate().map(|(number, (window, site, role))| {
        candidate(&format!("h{number}"), 1, |host| {
            host.windows = [lit(WINDOWS[*window])].into();
            host.site = lit(SITES[*site]);
            host.role = lit(ROLES[*role]);
        })
    });
    let mut input = one_wave(input(each.collect()));
    input.shape.parallel = 3;
    input.surroundings.sites = vec![site("south", Some(south))];
    for (number, (units, skill, hours)) in people.iter().enumerate() {
        let hours: Vec<&str> = hours.iter().map(|hours| WINDOWS[*hours]).collect();
        let mut person = engineer(&format!("engineer-{number}"), &hours, *units);
        person.skills = skill.iter().map(|role| lit(ROLES[*role])).collect();
        input.surroundings.engineers.push(person);
    }
    for estimate in input.estimates.values_mut() {
        estimate.p95_ms = minutes * MINUTE;
    }
    input
}

/// Openings of the windows in minutes from now on.
fn openings(input: &PlanInput) -> Vec<Vec<(i64, i64)>> {
    let until = input.now + jiff::SignedDuration::from_hours(24 * 30);
    let minute = |at: jiff::Timestamp| (at.as_second() - input.now.as_second()) / 60;
    let calendar = &input.surroundings.calendar;
    let of = |name: &&str| {
        let found = calendar.openings_unfrozen(&lit(name), input.now, until).unwrap();
        found.iter().map(|one| (minute(one.opens_at).max(0), minute(one.closes_at))).collect()
    };
    WINDOWS.iter().map(of).collect()
}

/// A host that has its time: start, site, person.
type Taken = (i64, usize, usize);

struct Oracle<'a> {
    hosts: &'a [Host],
    people: &'a [Person],
    open: Vec<Vec<(i64, i64)>>,
    south: usize,
    busy: i64,
}

impl Oracle<'_> {
    /// The earliest end when the hosts that are left follow in any order, by anybody.
    fn best(&self, left: &[usize], taken: &mut Vec<Taken>) -> Option<i64> {
        if left.is_empty() {
            return taken.iter().map(|(start, ..)| start + self.busy).max();
        }
        let mut best: Option<i64> = None;
        for host in left {
            let rest: Vec<usize> = left.iter().copied().filter(|other| other != host).collect();
            for person in 0..self.people.len() {
                let Some(start) = self.earliest(*host, person, taken) else { continue };
                taken.push((start, self.hosts[*host].1, person));
                let found = self.best(&rest, taken);
                taken.pop();
                best = best.into_iter().chain(found).min();
            }
        }
        best
    }

    fn earliest(&self, host: usize, person: usize, taken: &[Taken]) -> Option<i64> {
        let (window, site, role) = self.hosts[host];
        let (units, skill, hours) = self.people[person];
        if skill.is_some_and(|skill| skill != role) {
            return None;
        }
        let hours = hours.map(|hours| &self.open[hours]);
        let works = |at: i64| {
            hours.is_none_or(|own| {
                own.iter().any(|(from, until)| *from <= at && at + self.busy <= *until)
            })
        };
        let ends = taken.iter().map(|(start, ..)| start + self.busy);
        let begins = hours.into_iter().flatten().chain(&self.open[window]).map(|(from, _)| *from);
        let mut starts: Vec<i64> = ends.chain(begins).collect();
        starts.sort_unstable();
        let room = |at: i64| {
            // All take as long: whoever is busy at some moment of it is so at its start or at its end.
            let near: Vec<&Taken> =
                taken.iter().filter(|(start, ..)| (start - at).abs() < self.busy).collect();
            let own = near.iter().filter(|(.., who)| *who == person);
            if own.clone().any(|(_, place, _)| *place != site) {
                return false;
            }
            let most = |of: &dyn Fn(&Taken) -> bool| {
                let moments = near.iter().map(|(start, ..)| (*start).max(at));
                let busy = |moment: i64, one: &Taken| one.0 <= moment && moment < one.0 + self.busy;
                moments
                    .map(|m| near.iter().filter(|one| of(one) && busy(m, one)).count())
                    .max()
                    .unwrap_or(0)
            };
            most(&|_| true) < 3
                && (site == 0 || most(&|one| one.1 == site) < self.south)
                && most(&|one| one.2 == person) < usize::try_from(units).unwrap()
        };
        let opens = |at: i64| {
            self.open[window]
                .iter()
                .any(|(from, until)| *from <= at && at + self.busy + 30 <= *until)
        };
        starts.into_iter().find(|at| opens(*at) && works(*at) && room(*at))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_staff_ends_before_the_bound(
        hosts in proptest::collection::vec((0usize..3, 0usize..2, 0usize..2), 1..5),
        people in proptest::collection::vec(
            (1u32..3, proptest::option::of(0usize..2), proptest::option::of(0usize..3)), 0..2),
        units in 1u32..3,
        south in 1u32..3,
        minutes in 5u64..70,
    ) {
        // Somebody knows everything and is always there.
        let people: Vec<Person> = std::iter::once((units, None, None)).chain(people).collect();
        let input = fleet(&hosts, &people, south, minutes);
        let (_, report) = judged(&input);
        let minute = |at: jiff::Timestamp| (at.as_second() - input.now.as_second()) / 60;
        let busy = i64::try_from(minutes).unwrap() + 15;
        let open = openings(&input);
        let oracle = Oracle { hosts: &hosts, people: &people, open, south: usize::try_from(south).unwrap(), busy };
        let all: Vec<usize> = (0..hosts.len()).collect();
        let best = oracle.best(&all, &mut Vec::new()).unwrap();
        let (bound, finish) = (minute(report.bound.unwrap()), minute(report.finish.unwrap()));
        prop_assert!(bound <= best, "somebody ends at {best}, before the bound {bound}");
        prop_assert!(best <= finish, "the plan ends at {finish}, before the best, {best}");
    }
}
