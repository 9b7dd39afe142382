//! No schedule of a wave ends earlier than this: relaxations whose optimum can be computed exactly (D-0015).
//!
//! Each bound forgets all rules but a few, so that what it says holds for every schedule that keeps all of them:
//! one host alone; the work of a group of hosts against the time and the hands that it has; the number of hosts that
//! fit one behind the other into each opening.

use crate::board::{Board, Job};
use std::collections::{BTreeMap, BTreeSet};

/// Hosts that share something.
#[derive(Default)]
struct Group {
    count: i64,
    work: i64,
    shortest: i64,
    /// By list of spans: the shortest way back and the longest busy time of its hosts.
    lists: BTreeMap<usize, (i64, i64)>,
    crews: BTreeSet<Option<usize>>,
    most: u32,
}

/// What some group may use: between two moments, so many at once.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: i64,
    until: i64,
    hands: i64,
}

/// The earliest moment at which a wave that may not start before `release` can end; none: not before the horizon.
pub(crate) fn wave_end(board: &Board<'_>, jobs: &[usize], release: i64) -> Option<i64> {
    let mut end = release;
    let mut seen: BTreeSet<(usize, i64, i64, i64)> = BTreeSet::new();
    let mut groups: BTreeMap<(u8, usize, usize), Group> = BTreeMap::new();
    let lists: BTreeSet<usize> = jobs.iter().map(|number| board.jobs[*number].list).collect();
    let lists: Vec<usize> = lists.into_iter().collect();
    let mut subsets = BTreeMap::new();
    for number in jobs {
        let job = &board.jobs[*number];
        if seen.insert((job.list, job.busy, job.undo, job.staged)) {
            end = end.max(alone(board, job, release)? + job.busy);
        }
        let most = board.down_at_once[job.site].min(board.parallel);
        let crew = job.crew.map_or(usize::MAX, |crew| crew);
        for wider in within(board, job.list, &lists, &mut subsets) {
            groups.entry((5, job.site, *wider)).or_default().add(job, most);
            groups.entry((6, *wider, 0)).or_default().add(job, board.parallel);
        }
        for (key, most) in
            [((0, 0, 0), board.parallel), ((1, job.site, 0), most), ((4, crew, 0), board.parallel)]
        {
            groups.entry(key).or_default().add(job, most);
        }
    }
    for group in groups.values() {
        // What nothing limits needs no time beyond that of its slowest host.
        let limited = group.most < u32::MAX || !group.crews.contains(&None);
        if limited {
            end = end.max(group.end(board, release)?);
        }
    }
    Some(end)
}

/// The lists that hold all windows of `list`, itself among them: whoever has few windows works against whoever has more.
fn within<'s>(
    board: &Board<'_>,
    list: usize,
    lists: &[usize],
    known: &'s mut BTreeMap<usize, Vec<usize>>,
) -> &'s [usize] {
    known.entry(list).or_insert_with(|| {
        let own = &board.times.windows_of[list];
        let holds = |other: &&usize| board.times.windows_of[**other].is_superset(own);
        lists.iter().filter(holds).copied().collect()
    })
}

/// When a host could start if it were the only one.
fn alone(board: &Board<'_>, job: &Job, release: i64) -> Option<i64> {
    let from = release.max(job.staged);
    let starts = board.spans(job).iter().map(|span| {
        let start = span.first.max(from);
        (start, span.last.min(span.closes - job.need()))
    });
    starts.filter(|(start, last)| start <= last).map(|(start, _)| start).min()
}

impl Group {
    fn add(&mut self, job: &Job, most: u32) {
        self.shortest = if self.count == 0 { job.busy } else { self.shortest.min(job.busy) };
        self.count += 1;
        self.work = self.work.saturating_add(job.busy);
        self.most = most;
        self.crews.insert(job.crew);
        let list = self.lists.entry(job.list).or_insert((job.undo, job.busy));
        *list = (list.0.min(job.undo), list.1.max(job.busy));
    }

    /// When its work and its number of hosts can be done at the earliest.
    fn end(&self, board: &Board<'_>, release: i64) -> Option<i64> {
        let open = self.open(board, release);
        let pieces = self.hands(board, &open);
        let by_work = by_work(&pieces, self.work)?;
        let by_count = by_count(&open, &pieces, self.count, self.shortest)?;
        Some(by_work.max(by_count))
    }

    /// The stretches in which any of its hosts can be busy, joined.
    fn open(&self, board: &Board<'_>, release: i64) -> Vec<(i64, i64)> {
        let mut open = Vec::new();
        for (list, (undo, busy)) in &self.lists {
            for span in &board.times.lists[*list] {
                let from = span.first.max(release);
                let until = (span.closes - undo).min(span.last.saturating_add(*busy));
                if from < until {
                    open.push((from, until));
                }
            }
        }
        open.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(open.len());
        for (from, until) in open {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        joined
    }

    /// How many hosts can be busy at each moment of `open`.
    fn hands(&self, board: &Board<'_>, open: &[(i64, i64)]) -> Vec<Piece> {
        let most = i64::from(self.most);
        if self.crews.contains(&None) {
            return open
                .iter()
                .map(|(from, until)| Piece { from: *from, until: *until, hands: most })
                .collect();
        }
        let crews = self.crews.iter().flatten();
        let people: BTreeSet<usize> =
            crews.flat_map(|crew| board.crews[*crew].iter().copied()).collect();
        let mut always = 0;
        let mut changes: Vec<(i64, i64)> = Vec::new();
        for person in people.iter().map(|person| &board.people[*person]) {
            let units = i64::from(person.units);
            match &person.hours {
                None => always += units,
                Some(hours) => {
                    for hours in hours {
                        changes.extend([(hours.from, units), (hours.until, -units)]);
                    }
                }
            }
        }
        changes.sort_unstable();
        let mut pieces = Vec::with_capacity(open.len());
        let mut changes = changes.into_iter().peekable();
        let mut there = always;
        for (from, until) in open {
            let mut at = *from;
            while let Some((when, units)) = changes.next_if(|(when, _)| when < until) {
                if when > at {
                    pieces.push(Piece { from: at, until: when, hands: there.min(most) });
                    at = when;
                }
                there += units;
            }
            pieces.push(Piece { from: at, until: *until, hands: there.min(most) });
        }
        pieces
    }
}

/// When `work` is done if all hands are busy all the time.
fn by_work(pieces: &[Piece], work: i64) -> Option<i64> {
    let mut left = i128::from(work);
    for piece in pieces {
        let can = i128::from(piece.hands) * i128::from(piece.until - piece.from);
        if left <= can && piece.hands > 0 {
            let takes = (left + i128::from(piece.hands) - 1) / i128::from(piece.hands);
            return Some(piece.from + i64::try_from(takes).unwrap_or(i64::MAX));
        }
        left -= can;
    }
    None
}

/// When `count` hosts are done if each takes no longer than the shortest: hosts that are busy at the same time are at most as
/// many as there are hands, so they can be sorted into that many rows, and a row holds so many one behind the other.
fn by_count(open: &[(i64, i64)], pieces: &[Piece], count: i64, shortest: i64) -> Option<i64> {
    let mut left = count;
    let mut pieces = pieces.iter().peekable();
    for (from, until) in open {
        let mut rows = 0;
        while let Some(piece) = pieces.next_if(|piece| piece.until <= *until) {
            rows = rows.max(piece.hands);
        }
        if rows == 0 {
            continue;
        }
        let deep = (until - from) / shortest;
        let can = rows.saturating_mul(deep);
        if left <= can {
            return Some(from + (left + rows - 1) / rows * shortest);
        }
        left -= can;
    }
    None
}
