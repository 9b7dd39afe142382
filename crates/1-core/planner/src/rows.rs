//! What the places of a site can earn: whatever price each host has, until the prices of all are earned the wave has not ended.
//!
//! Hosts that are busy at the same time are at most as many as there are places, so in each stretch of open time they fit into
//! that many rows, and a row of hosts one behind the other earns no more than the best sequence of hosts, however many of each
//! it takes. That holds for any prices; the search only decides how much follows (D-0015).

mod fill;
mod program;

use crate::board::Board;
use program::{Column, Program};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(crate) use fill::{Effort, Filled, fill};

/// Time goes in steps of a minute; of the shortest host when that is shorter.
const STEP_MS: i64 = 60_000;
/// Steps of open time that are looked at: weeks of windows, or a month on end.
const STEPS_MAX: usize = 50_000;
/// Kinds and stretches up to which prices are searched: the table of the program grows with the square.
const TABLE_MAX: usize = 700;
/// Steps that the search may take for one wave, in entries of its table: a tenth of a second, so that planning stays interactive.
pub(crate) const EFFORT_MAX: usize = 360_000_000;
/// Parts of the shortest host's price that prices are rounded to.
const SCALE: f64 = 1_000.0;

/// Hosts of a site that may begin at the same moments and take as long.
struct Kind {
    count: i64,
    /// In steps.
    length: usize,
}

/// Steps at which a host of some kind may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Begin {
    from: usize,
    until: usize,
    kind: usize,
}

/// Steps of a stretch at each of which the same kinds may begin.
struct Segment {
    from: usize,
    until: usize,
    kinds: Vec<usize>,
}

/// Time on end in which something is open.
struct Stretch {
    from: usize,
    until: usize,
    segments: Vec<Segment>,
}

/// The best that a row can have earned at some step, and with which kind at its end.
#[derive(Debug, Clone, Copy, Default)]
struct Best {
    earned: i64,
    last: Option<usize>,
}

/// The hosts of a site and the stretches in which they can be busy.
struct Rows {
    release: i64,
    step: i64,
    places: i64,
    /// List, busy time and way back of each kind, sorted.
    keys: Vec<(usize, i64, i64)>,
    kinds: Vec<Kind>,
    /// All lengths, and for each kind which of them it has.
    lengths: Vec<usize>,
    length_of: Vec<usize>,
    stretches: Vec<Stretch>,
}

/// When a wave that may not start before `release` can end as far as each of its sites says that ends behind `known`, where its
/// hosts are placed so that they end then; `first`: the site that most is expected of.
pub(crate) fn late_sites(
    board: &Board<'_>,
    ends: impl Iterator<Item = (usize, i64)>,
    (release, known): (i64, i64),
    first: Option<usize>,
) -> i64 {
    let mut sites: BTreeMap<usize, (i64, Vec<usize>)> = BTreeMap::new();
    for (job, end) in ends {
        let (latest, jobs) = sites.entry(board.jobs[job].site).or_default();
        *latest = end.max(*latest);
        jobs.push(job);
    }
    // What ends last teaches most: often nothing else is later than what follows from it.
    let mut sites: Vec<(usize, (i64, Vec<usize>))> = sites.into_iter().collect();
    sites.sort_by_key(|(site, (end, _))| (Some(*site) != first, Reverse(*end)));
    // Where people limit a wave, its sites alone teach little.
    let mut effort = if board.people.is_empty() { EFFORT_MAX } else { EFFORT_MAX / 4 };
    let mut found = known;
    for (_, (end, jobs)) in sites {
        if end <= found || effort == 0 {
            break;
        }
        if let Some(rows) = Rows::of(board, &jobs, (release, end)) {
            found = rows.at(rows.search(found, &mut effort).0).clamp(found, end);
        }
    }
    found
}

/// What was proven of a wave while it was placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven {
    /// It does not end before,
    pub(crate) end: i64,
    /// because of this site.
    pub(crate) site: Option<usize>,
}

impl Rows {
    /// Lays out the hosts of one site until `limit`; none when that is too much to look at.
    fn of(board: &Board<'_>, jobs: &[usize], (release, limit): (i64, i64)) -> Option<Self> {
        let mut counts: BTreeMap<(usize, i64, i64), i64> = BTreeMap::new();
        for job in jobs.iter().map(|number| &board.jobs[*number]) {
            *counts.entry((job.list, job.busy, job.undo)).or_default() += 1;
        }
        let step = counts.keys().map(|(_, busy, _)| *busy).min()?.min(STEP_MS);
        // Rounded down, hosts in a row stay apart: their beginnings and their lengths are.
        let steps = |time: i64| usize::try_from(time / step).ok();
        let (mut begins, mut kinds) = (Vec::new(), Vec::with_capacity(counts.len()));
        let keys: Vec<(usize, i64, i64)> = counts.keys().copied().collect();
        for (kind, ((list, busy, undo), count)) in counts.into_iter().enumerate() {
            kinds.push(Kind { count, length: steps(busy)? });
            for strand in &board.times.lists[list] {
                let spans = &board.times.strands[*strand];
                let ahead = spans.partition_point(|span| span.closes <= release);
                for span in spans[ahead..].iter().take_while(|span| span.opens < limit) {
                    let first = span.first.max(release);
                    let last = span.last.min(span.closes - busy - undo).min(limit - busy);
                    if first <= last {
                        let (from, until) = (steps(first - release)?, steps(last - release)? + 1);
                        begins.push(Begin { from, until, kind });
                    }
                }
            }
        }
        let places = i64::from(board.at_once(board.jobs[*jobs.first()?].site));
        let rows = Self { keys, ..Self::laid((release, step), places, kinds, begins) };
        let open = rows.stretches.iter().map(|stretch| stretch.until - stretch.from);
        (open.sum::<usize>() <= STEPS_MAX).then_some(rows)
    }

    fn laid(
        (release, step): (i64, i64),
        places: i64,
        kinds: Vec<Kind>,
        mut begins: Vec<Begin>,
    ) -> Self {
        begins.sort_unstable();
        let mut lengths: Vec<usize> = kinds.iter().map(|kind| kind.length).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let length_of = kinds.iter().map(|kind| lengths.partition_point(|one| *one < kind.length));
        let length_of = length_of.collect();
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut rest = &begins[..];
        while let Some(first) = rest.first() {
            let (mut until, mut count) = (first.from, 0);
            while let Some(next) = rest.get(count).filter(|next| next.from <= until) {
                until = until.max(next.until - 1 + kinds[next.kind].length);
                count += 1;
            }
            let (own, behind) = rest.split_at(count);
            stretches.push(Stretch { from: first.from, until, segments: segments(own) });
            rest = behind;
        }
        Self { release, step, places, keys: Vec::new(), kinds, lengths, length_of, stretches }
    }

    /// The best that one row of a stretch can have earned, step by step.
    fn best(&self, stretch: &Stretch, prices: &[i64]) -> Vec<Best> {
        let mut best = vec![Best::default(); stretch.until - stretch.from + 1];
        let mut offers = vec![(0, 0); self.lengths.len()];
        let mut open: Vec<(usize, i64, usize)> = Vec::with_capacity(offers.len());
        let mut at = 0;
        let wait = |best: &mut [Best], at: usize| {
            if best[at + 1].earned < best[at].earned {
                best[at + 1] = Best { earned: best[at].earned, last: None };
            }
        };
        for segment in &stretch.segments {
            (at..segment.from).for_each(|at| wait(&mut best, at));
            offers.fill((0, 0));
            for kind in &segment.kinds {
                let offer = &mut offers[self.length_of[*kind]];
                *offer = (*offer).max((prices[*kind], *kind));
            }
            // Whoever takes longer and pays no more is not needed.
            let mut most = 0;
            open.clear();
            for (length, (price, kind)) in self.lengths.iter().zip(&offers) {
                if *price > most {
                    most = *price;
                    open.push((*length, *price, *kind));
                }
            }
            for at in segment.from..segment.until {
                wait(&mut best, at);
                let before = best[at].earned;
                for (length, price, kind) in &open {
                    let end = &mut best[at + length];
                    if end.earned < before + price {
                        *end = Best { earned: before + price, last: Some(*kind) };
                    }
                }
            }
            at = segment.until;
        }
        (at..stretch.until - stretch.from).for_each(|at| wait(&mut best, at));
        best
    }

    /// When the hosts of the best row until some step of a stretch begin, and their kinds.
    fn hosts(&self, stretch: &Stretch, best: &[Best], until: usize) -> Vec<(usize, usize)> {
        let (mut hosts, mut at) = (Vec::new(), until);
        while at > 0 {
            match best[at].last {
                Some(kind) => {
                    at -= self.kinds[kind].length;
                    hosts.push((stretch.from + at, kind));
                }
                None => at -= 1,
            }
        }
        hosts
    }

    /// The step before which these prices cannot all be earned.
    fn earned(&self, prices: &[i64]) -> usize {
        let sums = self.kinds.iter().zip(prices).map(|(kind, price)| kind.count * price);
        let mut left = sums.sum::<i64>();
        for stretch in &self.stretches {
            let best = self.best(stretch, prices);
            let enough = |best: &Best| best.earned.saturating_mul(self.places) < left;
            let at = best.partition_point(enough);
            if at < best.len() {
                return stretch.from + at;
            }
            left -= best.last().map_or(0, |best| best.earned) * self.places;
        }
        self.stretches.last().map_or(0, |stretch| stretch.until)
    }

    fn at(&self, step: usize) -> i64 {
        let steps = i64::try_from(step).unwrap_or(i64::MAX);
        self.release.saturating_add(steps.saturating_mul(self.step))
    }

    /// What prices prove beyond `known`, and the program that gave them: one that has all hosts done by then, if it came so far.
    fn search(&self, known: i64, effort: &mut usize) -> (usize, Option<Program>) {
        let lengths = |kind: &Kind| i64::try_from(kind.length).unwrap_or(i64::MAX);
        let mut end = self.earned(&self.kinds.iter().map(lengths).collect::<Vec<i64>>());
        end = end.max(usize::try_from((known - self.release) / self.step).unwrap_or(0));
        if self.kinds.len() + self.stretches.len() > TABLE_MAX {
            return (end, None);
        }
        let counts: Vec<i64> = self.kinds.iter().map(|kind| kind.count).collect();
        let mut program = Program::new(self, &counts, &vec![self.places; self.stretches.len()]);
        *effort = effort.saturating_sub(program.size());
        while *effort > 0 {
            let better = self.improve(&mut program, end, effort);
            *effort = effort.saturating_sub(program.settle());
            let found = self.earned(&whole(program.prices()));
            if found <= end && (!better || program.is_done()) {
                break;
            }
            end = end.max(found);
        }
        let done = program.is_done().then_some(program);
        (end, done)
    }

    /// Brings the best row of each stretch before `end` into the program; whether any of them was missing.
    fn improve(&self, program: &mut Program, end: usize, effort: &mut usize) -> bool {
        let mut better = false;
        for (number, stretch) in self.stretches.iter().enumerate() {
            if stretch.from >= end {
                break;
            }
            let best = self.best(stretch, &whole(program.prices()));
            *effort = effort.saturating_sub(best.len() * self.lengths.len());
            let until = end.min(stretch.until) - stretch.from;
            // A little more than the place costs is what rounding makes of it.
            if best[until].earned as f64 > program.rent(number) * SCALE + 1.0 {
                let hosts = self.hosts(stretch, &best, until);
                *effort =
                    effort.saturating_sub(program.enter(Column::Row { stretch: number, hosts }));
                better = true;
            }
        }
        better
    }
}

/// The steps of a stretch cut where another kind may begin, or may not any more.
fn segments(begins: &[Begin]) -> Vec<Segment> {
    let from = begins.first().map_or(0, |first| first.from);
    let mut moments: Vec<usize> = begins.iter().flat_map(|own| [own.from, own.until]).collect();
    moments.sort_unstable();
    moments.dedup();
    let between = |pair: &[usize]| {
        let open = begins.iter().filter(|own| own.from <= pair[0] && pair[1] <= own.until);
        let kinds = open.map(|own| own.kind).collect();
        Segment { from: pair[0] - from, until: pair[1] - from, kinds }
    };
    moments.windows(2).map(between).collect()
}

/// Prices as whole numbers: what is proven is counted exactly.
#[expect(clippy::cast_possible_truncation, reason = "prices are no higher than hosts are long")]
fn whole(prices: &[f64]) -> Vec<i64> {
    prices.iter().map(|price| (price * SCALE) as i64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(places: i64, kinds: &[(i64, usize)], begins: &[(usize, usize, usize)]) -> Rows {
        let kinds = kinds.iter().map(|(count, length)| Kind { count: *count, length: *length });
        let begin = |one: &(usize, usize, usize)| Begin { from: one.0, until: one.1, kind: one.2 };
        let begins = begins.iter().map(begin).collect();
        Rows::laid((0, 1), places, kinds.collect(), begins)
    }

    /// The earliest end over all ways to begin hosts of these kinds, one after the other.
    fn earliest(
        rows: &Rows,
        begins: &[Vec<usize>],
        hosts: &[usize],
        busy: &mut Vec<i64>,
    ) -> Option<usize> {
        let Some((kind, rest)) = hosts.split_first() else { return Some(0) };
        let length = rows.kinds[*kind].length;
        let mut found: Option<usize> = None;
        for at in &begins[*kind] {
            if busy[*at..at + length].iter().any(|busy| *busy >= rows.places) {
                continue;
            }
            busy[*at..at + length].iter_mut().for_each(|busy| *busy += 1);
            if let Some(end) = earliest(rows, begins, rest, busy) {
                let end = end.max(at + length);
                found = Some(found.map_or(end, |known| known.min(end)));
            }
            busy[*at..at + length].iter_mut().for_each(|busy| *busy -= 1);
        }
        found
    }

    #[test]
    fn opening_that_holds_two_long_hosts_and_no_third_is_seen() {
        // Five hosts of two steps in openings of five steps, with one place.
        let begins = [(0, 4, 0), (10, 14, 0), (20, 24, 0)];
        assert_eq!(rows(1, &[(5, 2)], &begins).search(0, &mut EFFORT_MAX.clone()).0, 22);
    }

    #[test]
    fn hosts_that_have_no_other_opening_push_the_others_out() {
        // The first kind fills the first opening by itself; the second waits for its next one, a third has time all along.
        let begins = [(0, 3, 0), (0, 3, 1), (10, 13, 1), (0, 20, 2)];
        assert_eq!(
            rows(1, &[(2, 2), (1, 2), (1, 1)], &begins).search(0, &mut EFFORT_MAX.clone()).0,
            12
        );
    }

    proptest! {
        #[test]
        fn nothing_ends_before_all_prices_are_earned(
            places in 1i64..3,
            kinds in proptest::collection::vec((1i64..3, 1usize..4), 1..4),
            begins in proptest::collection::vec((0usize..8, 1usize..4, 0usize..3), 1..7),
            prices in proptest::collection::vec(0i64..5, 3),
            known in 0i64..6,
        ) {
            let of = |(from, count, kind): &(usize, usize, usize)| (*from, from + count, kind % kinds.len());
            let begins: Vec<(usize, usize, usize)> = begins.iter().map(of).collect();
            let rows = rows(places, &kinds, &begins);
            let mut starts: Vec<Vec<usize>> = vec![Vec::new(); kinds.len()];
            begins.iter().for_each(|(from, until, kind)| starts[*kind].extend(*from..*until));
            let hosts: Vec<usize> = (0..kinds.len())
                .flat_map(|kind| std::iter::repeat_n(kind, usize::try_from(kinds[kind].0).unwrap()))
                .collect();
            if let Some(end) = earliest(&rows, &starts, &hosts, &mut vec![0; 20]) {
                prop_assert!(rows.earned(&prices[..kinds.len()]) <= end);
                let bound = rows.search(known, &mut EFFORT_MAX.clone()).0;
                let end = end.max(usize::try_from(known).unwrap());
                prop_assert!(bound <= end, "{end} before {bound}");
            }
        }
    }
}
