//! The last hosts of a wave, one after the other: into a gap before, or into the place of one that finds another (D-0015).

use crate::board::{Board, Job};
use crate::schedule::{self, Aim, Load, Placement, Wave};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Searches for a place that one wave may cost: a tenth of a second.
const SEARCHES_MAX: usize = 20_000;

/// Hosts that give way may make others give way.
const DEPTH: usize = 2;

struct Repair<'a> {
    board: &'a Board<'a>,
    jobs: &'a [usize],
    release: i64,
    load: Load,
    places: Vec<Option<Placement>>,
    longest: i64,
    /// Hosts of each site.
    sites: BTreeMap<usize, Vec<usize>>,
    /// Of each person: hosts that they look after, by start.
    duties: Vec<BTreeSet<(i64, usize)>>,
    searches: usize,
    /// Where hosts that were moved stood before, in the order of the moves.
    before: Vec<(usize, Option<Placement>)>,
}

/// Moves who ends last forward until nobody ends behind `goal`, or nothing helps any more.
///
/// Every move ends earlier than the wave did, so the end only comes nearer; what stays last in the end has no place before.
pub(crate) fn earlier(
    board: &Board<'_>,
    jobs: &[usize],
    wave: &mut Wave,
    (release, goal): (i64, i64),
) {
    let mut repair = Repair {
        board,
        jobs,
        release,
        load: Load::new(board),
        places: vec![None; jobs.len()],
        longest: jobs.iter().map(|job| board.jobs[*job].busy).max().unwrap_or(0),
        sites: BTreeMap::new(),
        duties: vec![BTreeSet::new(); board.people.len()],
        searches: SEARCHES_MAX,
        before: Vec::new(),
    };
    let end = |place: usize, found: &Placement| found.start + board.jobs[jobs[place]].busy;
    let site = |place: usize| board.jobs[jobs[place]].site;
    let found: Vec<(usize, Placement)> = wave
        .places
        .iter()
        .enumerate()
        .filter_map(|(place, found)| Some((place, (*found)?)))
        .collect();
    let late: BTreeSet<usize> = found
        .iter()
        .filter(|(place, found)| end(*place, found) > goal)
        .map(|(place, _)| site(*place))
        .collect();
    // Without people and a limit over all, sites do not concern each other.
    let apart = board.people.is_empty() && board.sites_are_apart();
    let mut ends = BinaryHeap::new();
    for (place, found) in found {
        if !apart || late.contains(&site(place)) {
            repair.set(place, Some(found));
            repair.sites.entry(site(place)).or_default().push(place);
            ends.push((end(place, &found), place));
        }
    }
    while let Some((end, place)) = ends.pop() {
        let now = repair.end(place);
        if now < end {
            ends.push((now, place));
            continue;
        }
        let Some(moved) = (end > goal).then(|| repair.forward(place, end - 1)).flatten() else {
            break;
        };
        ends.extend(moved.into_iter().map(|place| (repair.end(place), place)));
    }
    for (place, found) in repair.places.into_iter().enumerate() {
        wave.places[place] = found.or(wave.places[place]);
    }
    wave.recount(board, jobs, release);
}

impl Repair<'_> {
    /// Finds an earlier place for a host: a free one, that of another host of its site, or one that people make for it. Who has
    /// moved; none when nothing helps.
    fn forward(&mut self, place: usize, deadline: i64) -> Option<BTreeSet<usize>> {
        self.before.clear();
        self.lift(place);
        if (1..=DEPTH).any(|depth| self.settle(place, deadline, depth)) {
            return Some(self.before.iter().map(|(place, _)| *place).collect());
        }
        self.back(0);
        None
    }

    /// Finds a place for a host that has none; others may give way, so deep.
    fn settle(&mut self, place: usize, deadline: i64, depth: usize) -> bool {
        if let Some(found) = self.search(place, deadline) {
            self.put(place, found);
            return true;
        }
        depth > 0 && (self.swap(place, deadline, depth) || self.call(place, deadline, depth))
    }

    /// Tries to stand where another host of the site stands, which finds another place.
    fn swap(&mut self, place: usize, deadline: i64, depth: usize) -> bool {
        let job = self.board.jobs[self.jobs[place]];
        let others = self.sites.get(&job.site).cloned().unwrap_or_default();
        others.into_iter().any(|other| {
            let its = self.board.jobs[self.jobs[other]];
            let like = its.list == job.list && its.crew == job.crew;
            let Some(found) = self.places[other].filter(|_| !like) else { return false };
            let open = self.board.times.span_at(job.list, found.start, job.need()).is_some();
            open && self.instead(place, &[other], deadline, depth)
        })
    }

    /// Calls somebody who is elsewhere, or has their hands full, and whose hosts there find other places.
    fn call(&mut self, place: usize, deadline: i64, depth: usize) -> bool {
        let job = self.board.jobs[self.jobs[place]];
        let Some(crew) = job.crew else { return false };
        let board = self.board;
        for span in board.spans(&job).iter() {
            let first = span.first.max(self.release);
            let last = span.last.min(span.closes - job.need()).min(deadline - job.busy);
            for person in board.crews[crew].iter().filter(|_| first <= last) {
                let near =
                    self.duties[*person].range((first - self.longest, 0)..=(last, usize::MAX));
                let mut moments: Vec<i64> =
                    near.map(|(_, other)| self.end(*other)).filter(|at| *at <= last).collect();
                moments.push(first);
                moments.retain(|at| *at >= first);
                moments.sort_unstable();
                moments.dedup();
                for at in moments {
                    let mut others = self.doing(*person, (at, at + job.busy));
                    self.make_room(&job, at, &mut others);
                    if self.instead(place, &others, deadline, depth) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// What someone looks after in some time.
    fn doing(&self, person: usize, (from, until): (i64, i64)) -> Vec<usize> {
        let near = self.duties[person].range((from - self.longest, 0)..(until, 0));
        near.map(|(_, other)| *other).filter(|other| self.end(*other) > from).collect()
    }

    /// Adds hosts of a site that leave a place for one more when they go: those that stay longest, wherever it is full.
    fn make_room(&self, job: &Job, at: i64, others: &mut Vec<usize>) {
        let near = self.sites.get(&job.site).into_iter().flatten().copied();
        let near = near.filter(|other| self.start(*other) < at + job.busy && self.end(*other) > at);
        let mut here: Vec<usize> = near.filter(|other| !others.contains(other)).collect();
        here.sort_by_key(|other| (self.end(*other), *other));
        let most = self.board.down_at_once[job.site] as usize;
        let busy = |at: i64, other: &usize| self.start(*other) <= at && self.end(*other) > at;
        loop {
            let moments = here.iter().map(|other| self.start(*other).max(at));
            let full = |at: &i64| here.iter().filter(|other| busy(*at, other)).count() >= most;
            let Some(full) = moments.filter(full).min() else { return };
            let Some(gone) = here.iter().rposition(|other| busy(full, other)) else { return };
            others.push(here.remove(gone));
        }
    }

    /// Places a host when some others are out of its way, and these again; when one of them finds nothing, all stays as it was.
    fn instead(&mut self, place: usize, others: &[usize], deadline: i64, depth: usize) -> bool {
        // Where content sets out in the order of starts, a later start of one is an earlier one of others.
        let line = |place: &usize| self.board.has_line(self.board.jobs[self.jobs[*place]].site);
        if self.searches == 0 || others.is_empty() || line(&place) || others.iter().any(line) {
            return false;
        }
        let mark = self.before.len();
        others.iter().for_each(|other| self.lift(*other));
        let done = self.settle(place, deadline, 0)
            && others.iter().all(|other| {
                self.places[*other].is_some() || self.settle(*other, deadline, depth - 1)
            });
        if !done {
            self.back(mark);
        }
        done
    }

    /// The earliest place that is free.
    fn search(&mut self, place: usize, deadline: i64) -> Option<Placement> {
        self.searches = self.searches.checked_sub(1)?;
        let aim = Aim { release: self.release, deadline, cheap: false };
        schedule::first_by(self.board, &self.load, self.jobs[place], aim)
    }

    fn start(&self, place: usize) -> i64 {
        self.places[place].map_or(i64::MAX, |found| found.start)
    }

    fn end(&self, place: usize) -> i64 {
        let busy = self.board.jobs[self.jobs[place]].busy;
        self.places[place].map_or(i64::MIN, |found| found.start + busy)
    }

    fn put(&mut self, place: usize, found: Placement) {
        self.before.push((place, None));
        self.set(place, Some(found));
    }

    fn lift(&mut self, place: usize) {
        self.before.push((place, self.places[place]));
        self.set(place, None);
    }

    /// Takes back what was done since.
    fn back(&mut self, mark: usize) {
        while self.before.len() > mark {
            let Some((place, before)) = self.before.pop() else { return };
            self.set(place, before);
        }
    }

    fn set(&mut self, place: usize, found: Option<Placement>) {
        let job = &self.board.jobs[self.jobs[place]];
        if let Some(before) = std::mem::replace(&mut self.places[place], found) {
            self.load.free(job.site, before.person, before.start, job.busy);
            if let Some(person) = before.person {
                self.duties[person].remove(&(before.start, place));
            }
        }
        if let Some(found) = found {
            self.load.take(job.site, found.person, found.start, job.busy);
            if let Some(person) = found.person {
                self.duties[person].insert((found.start, place));
            }
        }
    }
}
