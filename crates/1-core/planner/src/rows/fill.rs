//! Whole rows of whole hosts, where the program has parts of them.

use super::{Program, Rows};
use crate::board::Board;
use std::cmp::Reverse;

/// A row of which no more than this is missing is taken for a whole one: whatever fits no more is placed by itself.
const NEARLY: f64 = 0.3;
/// Less is nothing.
const TINY: f64 = 1e-6;

/// What rows say about a site.
pub(crate) struct Filled {
    /// Its hosts do not end before.
    pub(crate) proven: i64,
    /// When they best begin to end by then, host by host in the order in which they are to be placed. Those that no row has stand
    /// last, with the release. None when there was not effort enough.
    pub(crate) order: Option<Vec<(usize, i64)>>,
}

/// What looking at sites may cost, as [`EFFORT_MAX`](super::EFFORT_MAX) counts it.
pub(crate) struct Effort {
    pub(crate) proof: usize,
    pub(crate) rows: usize,
}

/// Fills rows with the hosts of a site that end by `known`, or by what is proven where that is later.
pub(crate) fn fill(
    board: &Board<'_>,
    jobs: &[usize],
    (release, known): (i64, i64),
    limit: i64,
    effort: &mut Effort,
) -> Option<Filled> {
    let rows = Rows::of(board, jobs, (release, limit))?;
    let (end, program) = rows.search(known, &mut effort.proof);
    let proven = if rows.at(end) > known { rows.at(end).min(limit) } else { known };
    let order = program.and_then(|program| {
        let starts = rows.starts(program, end, &mut effort.rows);
        rows.hosts_of(board, jobs, starts)
    });
    Some(Filled { proven, order })
}

impl Rows {
    /// Hosts with their beginnings.
    fn hosts_of(
        &self,
        board: &Board<'_>,
        jobs: &[usize],
        starts: Vec<(usize, usize)>,
    ) -> Option<Vec<(usize, i64)>> {
        let mut hosts: Vec<Vec<usize>> = vec![Vec::new(); self.kinds.len()];
        for (place, number) in jobs.iter().enumerate() {
            let job = &board.jobs[*number];
            let kind = self.keys.binary_search(&(job.list, job.busy, job.undo)).ok()?;
            hosts[kind].push(place);
        }
        let mut order = Vec::with_capacity(jobs.len());
        for (step, kind) in starts {
            order.push((hosts[kind].pop()?, self.at(step)));
        }
        // What is left finds gaps: the longest first.
        let mut left: Vec<usize> = hosts.into_iter().flatten().collect();
        left.sort_by_key(|place| (Reverse(board.jobs[jobs[*place]].busy), *place));
        order.extend(left.into_iter().map(|place| (place, self.release)));
        Some(order)
    }

    /// Beginnings of hosts, in order: rows that the program has as a whole, or nearly, are taken; for what is left it is solved
    /// again, until nothing is left or nothing fits any more.
    fn starts(&self, mut program: Program, end: usize, effort: &mut usize) -> Vec<(usize, usize)> {
        let mut left: Vec<i64> = self.kinds.iter().map(|kind| kind.count).collect();
        let mut places = vec![self.places; self.stretches.len()];
        let mut starts = Vec::new();
        loop {
            let before = starts.len();
            take(&program, &mut left, &mut places, &mut starts);
            let done = left.iter().all(|left| *left == 0);
            if done || starts.len() == before || *effort == 0 {
                break;
            }
            program = Program::new(self, &left, &places);
            *effort = effort.saturating_sub(program.size());
            while *effort > 0 && self.improve(&mut program, end, effort) {
                *effort = effort.saturating_sub(program.settle());
            }
        }
        starts.sort_unstable();
        starts
    }
}

/// Takes the hosts of whole rows and of nearly whole ones, and of the one that is most nearly whole in any case.
fn take(program: &Program, left: &mut [i64], places: &mut [i64], starts: &mut Vec<(usize, usize)>) {
    let mut rows: Vec<_> = program.rows().collect();
    rows.sort_by(|one, two| f64::total_cmp(&two.0, &one.0));
    for (number, (amount, stretch, hosts)) in rows.into_iter().enumerate() {
        let more = if number == 0 { 1.0 - TINY } else { NEARLY };
        let mut count = (amount + more).floor();
        while count > 0.0 && places[stretch] > 0 {
            for (step, kind) in hosts {
                if left[*kind] > 0 {
                    left[*kind] -= 1;
                    starts.push((*step, *kind));
                }
            }
            places[stretch] -= 1;
            count -= 1.0;
        }
    }
}
