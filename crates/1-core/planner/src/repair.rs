//! The last hosts of a wave, one after the other: into a gap before, or into the place of one that finds another (D-0015).

use crate::board::Board;
use crate::schedule::{self, Aim, Load, Placement, Wave};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Searches for a place that one wave may cost: a tenth of a second.
const SEARCHES_MAX: usize = 20_000;

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
            repair.put(place, found);
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
    fn forward(&mut self, place: usize, deadline: i64) -> Option<Vec<usize>> {
        let before = self.lift(place)?;
        if let Some(found) = self.search(place, deadline) {
            self.put(place, found);
            return Some(vec![place]);
        }
        let moved = self.swap(place, deadline).or_else(|| self.call(place, deadline));
        if moved.is_none() {
            self.put(place, before);
        }
        moved
    }

    /// Tries to stand where another host of the site stands, which finds another place.
    fn swap(&mut self, place: usize, deadline: i64) -> Option<Vec<usize>> {
        let job = self.board.jobs[self.jobs[place]];
        for other in self.sites.get(&job.site)?.clone() {
            let its = self.board.jobs[self.jobs[other]];
            let like = its.list == job.list && its.crew == job.crew;
            let Some(found) = self.places[other].filter(|_| !like) else { continue };
            let open = self.board.times.span_at(job.list, found.start, job.need()).is_some();
            if open && let Some(moved) = self.instead(place, vec![other], deadline) {
                return Some(moved);
            }
        }
        None
    }

    /// Calls somebody who is elsewhere, or has their hands full, and whose hosts there find other places.
    fn call(&mut self, place: usize, deadline: i64) -> Option<Vec<usize>> {
        let job = self.board.jobs[self.jobs[place]];
        let crew = &self.board.crews[job.crew?];
        for span in self.board.spans(&job).iter() {
            let first = span.first.max(self.release);
            let last = span.last.min(span.closes - job.need()).min(deadline - job.busy);
            for person in crew.iter().filter(|_| first <= last) {
                let near =
                    self.duties[*person].range((first - self.longest, 0)..=(last, usize::MAX));
                let mut moments: Vec<i64> =
                    near.map(|(_, other)| self.end(*other)).filter(|at| *at <= last).collect();
                moments.push(first);
                moments.retain(|at| *at >= first);
                moments.sort_unstable();
                moments.dedup();
                for at in moments {
                    let others = self.doing(*person, (at, at + job.busy));
                    if let Some(moved) = self.instead(place, others, deadline) {
                        return Some(moved);
                    }
                }
            }
        }
        None
    }

    /// What someone looks after in some time.
    fn doing(&self, person: usize, (from, until): (i64, i64)) -> Vec<usize> {
        let near = self.duties[person].range((from - self.longest, 0)..(until, 0));
        near.map(|(_, other)| *other).filter(|other| self.end(*other) > from).collect()
    }

    /// Places a host when some others are out of its way, and these again; when one of them finds nothing, all stays as it was.
    fn instead(&mut self, place: usize, others: Vec<usize>, deadline: i64) -> Option<Vec<usize>> {
        // Where content sets out in the order of starts, a later start of one is an earlier one of others.
        let line = |place: &usize| self.board.has_line(self.board.jobs[self.jobs[*place]].site);
        if self.searches == 0 || others.is_empty() || line(&place) || others.iter().any(line) {
            return None;
        }
        let before: Vec<Option<Placement>> = others.iter().map(|other| self.lift(*other)).collect();
        let mut moved = Vec::with_capacity(others.len() + 1);
        for one in std::iter::once(&place).chain(&others) {
            let Some(found) = self.search(*one, deadline) else { break };
            self.put(*one, found);
            moved.push(*one);
        }
        if moved.len() > others.len() {
            return Some(moved);
        }
        for one in moved {
            self.lift(one);
        }
        for (other, found) in others.into_iter().zip(before) {
            if let Some(found) = found {
                self.put(other, found);
            }
        }
        None
    }

    /// The earliest place that is free.
    fn search(&mut self, place: usize, deadline: i64) -> Option<Placement> {
        self.searches = self.searches.checked_sub(1)?;
        let aim = Aim { release: self.release, deadline, cheap: false };
        schedule::first_by(self.board, &self.load, self.jobs[place], aim)
    }

    fn end(&self, place: usize) -> i64 {
        let found = &self.places[place];
        found
            .as_ref()
            .map_or(i64::MIN, |found| found.start + self.board.jobs[self.jobs[place]].busy)
    }

    fn put(&mut self, place: usize, found: Placement) {
        let job = &self.board.jobs[self.jobs[place]];
        self.load.take(job.site, found.person, found.start, job.busy);
        self.places[place] = Some(found);
        if let Some(person) = found.person {
            self.duties[person].insert((found.start, place));
        }
    }

    fn lift(&mut self, place: usize) -> Option<Placement> {
        let job = &self.board.jobs[self.jobs[place]];
        let found = self.places[place].take()?;
        self.load.free(job.site, found.person, found.start, job.busy);
        if let Some(person) = found.person {
            self.duties[person].remove(&(found.start, place));
        }
        Some(found)
    }
}
