//! Which windows have more work than hands: the set of windows is not guessed but peeled out of all of them.
//!
//! For any set of windows, the hosts that have no others must be done while one of them is open. Whatever set is looked at, what
//! follows from it holds; the search only decides how much follows.

use super::{Piece, by_work, presence};
use crate::board::Board;
use std::collections::{BTreeMap, BTreeSet};

/// How far behind what is known already openings are looked at.
const AHEAD_MS: i64 = 28 * 86_400_000;
/// Each pass begins where the one before ended.
const PASSES_MAX: usize = 8;

/// Hosts that are changed by some people, and what they have.
struct Squeeze {
    /// Strands of each list, and its work.
    lists: Vec<(Vec<usize>, i64)>,
    /// Pieces in which each strand is open.
    open: Vec<Vec<usize>>,
    /// Stretches of time with as many hands all along.
    pieces: Vec<Piece>,
}

/// The earliest end of a wave as far as crews and windows say, if it is later than `known`.
pub(crate) fn squeezed(board: &Board<'_>, jobs: &[usize], (release, known): (i64, i64)) -> i64 {
    let mut work: BTreeMap<usize, i64> = BTreeMap::new();
    for job in jobs.iter().map(|job| &board.jobs[*job]) {
        if let Some(crew) = job.crew {
            *work.entry(crew).or_default() += job.busy;
        }
    }
    // Crews with most to do, and one more each time; and each by itself.
    let hands = |crew: usize| -> i64 {
        board.crews[crew].iter().map(|person| i64::from(board.people[*person].units)).sum()
    };
    let mut order: Vec<usize> = work.keys().copied().collect();
    order.sort_by_key(|crew| (-(work[crew] / hands(*crew).max(1)), *crew));
    order.truncate(CREWS_MAX);
    let mut end = known;
    for count in 1..=order.len() {
        for crews in [&order[..count], &order[count - 1..count]] {
            end = Squeeze::of(board, jobs, (release, end), Some(crews)).end(end);
        }
    }
    Squeeze::of(board, jobs, (release, end), None).end(end)
}

/// Crews that are looked at, those with most to do first.
const CREWS_MAX: usize = 16;

impl Squeeze {
    fn of(
        board: &Board<'_>,
        jobs: &[usize],
        (release, known): (i64, i64),
        crews: Option<&[usize]>,
    ) -> Self {
        let limit = known.saturating_add(AHEAD_MS);
        let mut lists: BTreeMap<usize, i64> = BTreeMap::new();
        let mut strands: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        let (mut at_site, mut people) = (0, BTreeSet::new());
        for job in jobs.iter().map(|job| &board.jobs[*job]) {
            if crews.is_some_and(|crews| job.crew.is_none_or(|crew| !crews.contains(&crew))) {
                continue;
            }
            let sum = lists.entry(job.list).or_default();
            *sum = sum.saturating_add(job.busy);
            at_site = at_site.max(board.down_at_once[job.site]);
            for strand in &board.times.lists[job.list] {
                let known = strands.entry(*strand).or_insert((job.undo, job.busy));
                *known = (known.0.min(job.undo), known.1.max(job.busy));
            }
        }
        match crews {
            Some(crews) => {
                people.extend(crews.iter().flat_map(|crew| board.crews[*crew].iter().copied()));
            }
            None => people.extend(0..board.people.len()),
        }
        let numbers: BTreeMap<usize, usize> =
            strands.keys().enumerate().map(|(number, strand)| (*strand, number)).collect();
        let stretches: Vec<Vec<(i64, i64)>> = strands
            .iter()
            .map(|(strand, (undo, busy))| {
                let spans = &board.times.strands[*strand];
                let ahead = spans.partition_point(|span| span.closes <= release);
                let near = spans[ahead..].iter().take_while(|span| span.opens < limit);
                near.map(|span| {
                    let until = (span.closes - undo).min(span.last.saturating_add(*busy));
                    (span.first.max(release), until.min(limit))
                })
                .filter(|(from, until)| from < until)
                .collect()
            })
            .collect();
        let hands = hands(board, &people, at_site, (release, limit));
        let mut moments: Vec<i64> = stretches
            .iter()
            .flatten()
            .flat_map(|(from, until)| [*from, *until])
            .chain(hands.iter().map(|(at, _)| *at))
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let pieces: Vec<Piece> = moments
            .windows(2)
            .map(|pair| {
                let behind = hands.partition_point(|(at, _)| *at <= pair[0]);
                let hands = behind.checked_sub(1).map_or(0, |at| hands[at].1);
                Piece { from: pair[0], until: pair[1], hands: hands.min(i64::from(board.parallel)) }
            })
            .collect();
        let of = |(from, until): &(i64, i64)| {
            let first = moments.partition_point(|at| at < from);
            first..moments.partition_point(|at| at < until)
        };
        let open = stretches.iter().map(|own| own.iter().flat_map(of).collect()).collect();
        let lists = lists.into_iter().map(|(list, work)| {
            (board.times.lists[list].iter().map(|strand| numbers[strand]).collect(), work)
        });
        Self { lists: lists.collect(), open, pieces }
    }

    fn end(&self, known: i64) -> i64 {
        let mut end = known;
        for _ in 0..PASSES_MAX {
            let found = self.pass(end);
            if found <= end {
                break;
            }
            end = found;
        }
        end
    }

    /// Takes one window away after the other, the one whose going leaves most work for the hands that stay.
    fn pass(&self, known: i64) -> i64 {
        let room = |piece: &Piece| piece.hands * (piece.until.min(known) - piece.from).max(0);
        let mut of_strand: Vec<Vec<usize>> = vec![Vec::new(); self.open.len()];
        let mut lost = vec![0_i64; self.open.len()];
        let mut work = 0;
        for (number, (strands, own)) in self.lists.iter().enumerate() {
            work += own;
            for strand in strands {
                of_strand[*strand].push(number);
                lost[*strand] += own;
            }
        }
        // By how many each piece is opened; and their numbers, so that the last one is known.
        let mut cover = vec![(0_u32, 0_usize); self.pieces.len()];
        for (strand, open) in self.open.iter().enumerate() {
            for piece in open {
                cover[*piece] = (cover[*piece].0 + 1, cover[*piece].1 ^ strand);
            }
        }
        let mut alone = vec![0_i64; self.open.len()];
        let mut can = 0;
        for (piece, (count, only)) in self.pieces.iter().zip(&cover) {
            can += if *count > 0 { room(piece) } else { 0 };
            if *count == 1 {
                alone[*only] += room(piece);
            }
        }
        let mut gone = vec![false; self.lists.len()];
        let mut left: BTreeSet<usize> = (0..self.open.len()).collect();
        let mut end = known;
        while work > 0 {
            if work > can {
                end = end.max(self.done(&cover, work));
            }
            let Some(next) =
                left.iter().copied().max_by_key(|one| (alone[*one] - lost[*one], *one))
            else {
                break;
            };
            left.remove(&next);
            for list in &of_strand[next] {
                if std::mem::replace(&mut gone[*list], true) {
                    continue;
                }
                let (strands, own) = &self.lists[*list];
                work -= own;
                strands.iter().for_each(|strand| lost[*strand] -= own);
            }
            for piece in &self.open[next] {
                let (count, only) = &mut cover[*piece];
                (*count, *only) = (*count - 1, *only ^ next);
                match *count {
                    0 => can -= room(&self.pieces[*piece]),
                    1 => alone[*only] += room(&self.pieces[*piece]),
                    _ => {}
                }
            }
        }
        end
    }

    /// When so much work is done if all hands are busy whenever something is open; what is not done in sight ends there.
    fn done(&self, cover: &[(u32, usize)], work: i64) -> i64 {
        let covered = || self.pieces.iter().zip(cover).filter(|(_, cover)| cover.0 > 0);
        let last = || covered().next_back().map_or(i64::MIN, |(piece, _)| piece.until);
        by_work(covered().map(|(piece, _)| piece), work).unwrap_or_else(last)
    }
}

/// From each of these moments on, so many hands.
fn hands(
    board: &Board<'_>,
    people: &BTreeSet<usize>,
    at_site: u32,
    (release, limit): (i64, i64),
) -> Vec<(i64, i64)> {
    if board.people.is_empty() {
        return vec![(release, i64::from(board.parallel))];
    }
    let (mut there, changes) = presence(board, people, at_site, (release, limit));
    let mut sums: BTreeMap<i64, i64> = BTreeMap::from([(release, 0)]);
    for (at, units) in changes {
        *sums.entry(at).or_default() += units;
    }
    let sums = sums.into_iter().map(|(at, change)| {
        there += change;
        (at, there)
    });
    sums.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces one unit long, with as many hands; the pieces in which each strand is open; strands and work of each list.
    fn squeeze(hands: &[i64], open: &[Vec<usize>], lists: &[(Vec<usize>, i64)]) -> Squeeze {
        let piece = |(from, hands): (i64, &i64)| Piece { from, until: from + 1, hands: *hands };
        let pieces = (0..).zip(hands).map(piece).collect();
        Squeeze { lists: lists.to_vec(), open: open.to_vec(), pieces }
    }

    /// The earliest end over all ways to give each unit of work a hand in a piece in which one of its strands is open.
    fn best(squeeze: &Squeeze, left: &mut [i64], units: &[usize]) -> Option<i64> {
        let Some((first, rest)) = units.split_first() else { return Some(0) };
        let strands = &squeeze.lists[*first].0;
        let places: BTreeSet<usize> =
            strands.iter().flat_map(|strand| squeeze.open[*strand].iter().copied()).collect();
        let mut found: Option<i64> = None;
        for piece in places {
            if left[piece] == 0 {
                continue;
            }
            left[piece] -= 1;
            if let Some(end) = best(squeeze, left, rest) {
                let end = end.max(squeeze.pieces[piece].until);
                found = Some(found.map_or(end, |known| known.min(end)));
            }
            left[piece] += 1;
        }
        found
    }

    #[test]
    fn window_with_more_work_than_hands_is_found_among_others() {
        // The first window is open twice, the second in between; only the first is short of time.
        let open = [vec![0, 1, 4, 5], vec![2, 3]];
        let lists = [(vec![0], 3), (vec![1], 1), (vec![0, 1], 1)];
        assert_eq!(squeeze(&[1; 6], &open, &lists).end(2), 5);
    }

    proptest! {
        #[test]
        fn nothing_ends_before_the_bound(
            hands in proptest::collection::vec(0i64..3, 5),
            open in proptest::collection::vec(proptest::collection::btree_set(0usize..5, 1..5), 3),
            lists in proptest::collection::vec((proptest::collection::btree_set(0usize..3, 1..3), 1i64..3), 1..4),
            known in 0i64..5,
        ) {
            let open: Vec<Vec<usize>> = open.into_iter().map(|own| own.into_iter().collect()).collect();
            let lists: Vec<(Vec<usize>, i64)> =
                lists.into_iter().map(|(own, work)| (own.into_iter().collect(), work)).collect();
            let squeeze = squeeze(&hands, &open, &lists);
            let units: Vec<usize> = (0..lists.len())
                .flat_map(|list| std::iter::repeat_n(list, usize::try_from(lists[list].1).unwrap()))
                .collect();
            let found = best(&squeeze, &mut hands.clone(), &units);
            let bound = squeeze.end(known);
            prop_assert!(found.is_none_or(|found| bound <= found.max(known)), "{found:?} before {bound}");
        }
    }
}
