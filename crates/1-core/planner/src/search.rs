//! Which order of kinds makes a wave end early.
//!
//! Several orders are tried; each site keeps the one that ended earliest for it, what ended last goes to the front, and sites
//! that are good enough stay as they are (D-0015).

use crate::board::Board;
use crate::rows::Proven;
use crate::schedule::{Aim, Kind, Load, SINGLE_MAX, Wave, attempt, kinds};
use refit_names::TimeClass;
use std::collections::{BTreeMap, BTreeSet};

/// Placements that one wave may cost beside its first tries: a tenth of a second, so that planning stays interactive.
const EFFORT_MAX: usize = 50_000;
/// Behind what a wave takes at least: so far are weekly windows seen.
const WEEK_MS: i64 = 7 * 86_400_000;
/// Tries for small waves, where each costs nothing.
const TRIES_MAX: usize = 60;

/// Places one wave between `release` and the horizon, so that it ends early. `bound`: no schedule ends earlier; with a closer
/// one, where one was looked for.
pub(crate) fn place(
    board: &Board<'_>,
    base: &Load,
    jobs: &[usize],
    release: i64,
    bound: i64,
) -> (Wave, Option<Proven>) {
    if jobs.len() > SINGLE_MAX && base.is_idle() {
        crate::parts::place(board, jobs, release, bound)
    } else {
        (by_orders(board, base, jobs, release, bound), None)
    }
}

/// Places hosts kind by kind, in the order that ends earliest.
pub(crate) fn by_orders(
    board: &Board<'_>,
    base: &Load,
    jobs: &[usize],
    release: i64,
    bound: i64,
) -> Wave {
    let kinds = kinds(board, jobs);
    let aim = Aim { release, deadline: i64::MAX, cheap: false };
    let mut search = Search::new(board, base, (jobs, &kinds), aim, bound);
    for order in [
        by_scarcity(board, &kinds, aim, (bound, 0)),
        by_scarcity(board, &kinds, aim, (bound, WEEK_MS)),
        by_need(board, &kinds, aim),
    ] {
        if search.try_order(&order) == Progress::Enough {
            break;
        }
    }
    search.improve((EFFORT_MAX / jobs.len().max(1)).clamp(1, TRIES_MAX));
    let done = search.done;
    let Some(wave) = search.best else {
        return Wave { places: Vec::new(), end: release, missing: 0, outside_ms: 0 };
    };
    if done || jobs.len() <= SINGLE_MAX {
        return wave;
    }
    late_sites(board, base, (jobs, &kinds), (release, bound), wave)
}

/// Sites that ended early enough stay as they are; the others are placed again by themselves, which costs less each time.
fn late_sites(
    board: &Board<'_>,
    base: &Load,
    (jobs, kinds): (&[usize], &[Kind]),
    (release, bound): (i64, i64),
    mut wave: Wave,
) -> Wave {
    let enough = enough(bound, release, jobs.len());
    let late: BTreeSet<usize> =
        kinds.iter().filter(|kind| kind.end(&wave) > enough).map(|kind| kind.job.site).collect();
    let (mut load, mut again) = (base.clone(), Vec::new());
    for (place, number) in jobs.iter().enumerate() {
        let job = &board.jobs[*number];
        match &wave.places[place] {
            Some(found) if !late.contains(&job.site) => {
                load.take(job.site, found.person, found.start, job.busy);
            }
            _ => again.push(place),
        }
    }
    if again.len() == jobs.len() || again.is_empty() {
        return wave;
    }
    let numbers: Vec<usize> = again.iter().map(|place| jobs[*place]).collect();
    let new = by_orders(board, &load, &numbers, release, bound);
    let before = again.iter().filter(|place| wave.places[**place].is_none()).count();
    if (new.missing, new.end) < (before, wave.end) {
        for (place, found) in again.into_iter().zip(new.places) {
            wave.places[place] = found;
        }
        wave.recount(board, jobs, release);
    }
    wave
}

impl Wave {
    /// Its sums, from its places.
    pub(crate) fn recount(&mut self, board: &Board<'_>, jobs: &[usize], release: i64) {
        (self.end, self.missing, self.outside_ms) = (release, 0, 0);
        for (number, place) in jobs.iter().zip(&self.places) {
            let Some(place) = place else {
                self.missing += 1;
                continue;
            };
            let busy = board.jobs[*number].busy;
            self.end = self.end.max(place.start + busy);
            if place.span.class.is_some_and(|class| class != TimeClass::WorkingHours) {
                self.outside_ms += busy;
            }
        }
    }
}

/// When to stop trying: at the bound, or half a per cent behind it where each try takes long.
pub(crate) fn enough(bound: i64, release: i64, jobs: usize) -> i64 {
    if jobs > SINGLE_MAX { bound.saturating_add((bound - release) / 200) } else { bound }
}

/// Who has the fewest moments to start at goes first, and among these the longest.
pub(crate) fn by_scarcity(
    board: &Board<'_>,
    kinds: &[Kind],
    aim: Aim,
    (bound, ahead): (i64, i64),
) -> Vec<usize> {
    let until = bound.max(aim.release).saturating_add(ahead);
    let chances = |kind: &Kind| -> i64 {
        let spans = board.spans(&kind.job);
        let open = spans.iter().map(|span| {
            let last = span.last.min(span.closes - kind.job.need()).min(until);
            (last - span.first.max(aim.release) + 1).max(0)
        });
        open.sum()
    };
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    order.sort_by_cached_key(|at| (chances(&kinds[*at]), -kinds[*at].job.busy, *at));
    order
}

/// Who alone would end last goes first.
fn by_need(board: &Board<'_>, kinds: &[Kind], aim: Aim) -> Vec<usize> {
    let ends = |kind: &Kind| {
        let count = i64::try_from(kind.members.len()).unwrap_or(i64::MAX);
        let most = board.down_at_once[kind.job.site].min(board.parallel);
        let mut left = kind.job.busy.saturating_mul(count) / i64::from(most.max(1));
        for span in board.spans(&kind.job).iter() {
            let first = span.first.max(aim.release);
            let room = span.closes - kind.job.undo - first;
            if room < kind.job.busy {
                continue;
            }
            if left <= room {
                return first + left;
            }
            left -= room;
        }
        i64::MAX
    };
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    order
        .sort_by_cached_key(|at| (std::cmp::Reverse(ends(&kinds[*at])), -kinds[*at].job.busy, *at));
    order
}

/// Whether another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    More,
    Enough,
}

/// Orders that were tried for one wave, and the best of them: as a whole, and for each site by itself.
struct Search<'a> {
    board: &'a Board<'a>,
    base: &'a Load,
    jobs: &'a [usize],
    kinds: &'a [Kind],
    aim: Aim,
    enough: i64,
    best: Option<Wave>,
    /// For each site: its earliest end, and the order of its kinds that gave it.
    sites: BTreeMap<usize, (i64, Vec<usize>)>,
    /// For each site: the order that is tried next.
    next: BTreeMap<usize, Vec<usize>>,
    done: bool,
}

impl<'a> Search<'a> {
    fn new(
        board: &'a Board<'a>,
        base: &'a Load,
        (jobs, kinds): (&'a [usize], &'a [Kind]),
        aim: Aim,
        bound: i64,
    ) -> Self {
        let enough = enough(bound, aim.release, jobs.len());
        let (sites, next) = (BTreeMap::new(), BTreeMap::new());
        Self { board, base, jobs, kinds, aim, enough, best: None, sites, next, done: false }
    }

    /// Places everything in this order and learns from it.
    fn try_order(&mut self, order: &[usize]) -> Progress {
        let wave = attempt(self.board, self.base, (self.jobs, self.kinds), self.aim, order);
        let ends: Vec<i64> = self.kinds.iter().map(|kind| kind.end(&wave)).collect();
        let mut by_site: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for kind in order {
            by_site.entry(self.kinds[*kind].job.site).or_default().push(*kind);
        }
        self.next.clear();
        for (site, own) in by_site {
            let end = own.iter().map(|kind| ends[*kind]).max().unwrap_or(self.aim.release);
            // What ended last goes to the front of its site.
            let (front, back): (Vec<usize>, Vec<usize>) =
                own.iter().partition(|kind| ends[**kind] >= end && end > self.enough);
            self.next.insert(site, front.into_iter().chain(back).collect());
            if self.sites.get(&site).is_none_or(|(known, _)| end < *known) {
                self.sites.insert(site, (end, own));
            }
        }
        let good = wave.missing == 0 && wave.end <= self.enough;
        let known = self.best.as_ref();
        if known.is_none_or(|known| (wave.missing, wave.end) < (known.missing, known.end)) {
            self.best = Some(wave);
        }
        self.done |= good;
        if self.done { Progress::Enough } else { Progress::More }
    }

    /// The best order of each site, the site that ends last first; then what follows from trying it.
    fn improve(&mut self, tries: usize) {
        let mut order = self.combined();
        for _ in 0..tries {
            if self.done || self.try_order(&order) == Progress::Enough {
                return;
            }
            let next = self.following();
            if next == order {
                break;
            }
            order = next;
        }
        self.try_order(&self.combined());
    }

    fn combined(&self) -> Vec<usize> {
        let mut sites: Vec<&(i64, Vec<usize>)> = self.sites.values().collect();
        sites.sort_by_key(|(end, _)| std::cmp::Reverse(*end));
        sites.into_iter().flat_map(|(_, order)| order.iter().copied()).collect()
    }

    fn following(&self) -> Vec<usize> {
        let end = |site: &usize| self.sites.get(site).map_or(i64::MAX, |(end, _)| *end);
        let mut sites: Vec<(&usize, &Vec<usize>)> = self.next.iter().collect();
        sites.sort_by_key(|(site, _)| std::cmp::Reverse(end(site)));
        sites.into_iter().flat_map(|(_, order)| order.iter().copied()).collect()
    }
}

impl Kind {
    /// When its last host ends; never when one has no place.
    fn end(&self, wave: &Wave) -> i64 {
        let ends = self.members.iter().map(|member| match &wave.places[*member] {
            Some(place) => place.start + self.job.busy,
            None => i64::MAX,
        });
        ends.max().unwrap_or(i64::MIN)
    }
}
