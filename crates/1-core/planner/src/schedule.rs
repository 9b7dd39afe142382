//! Giving the hosts of one wave their times: each as early as all limits allow, the scarce ones first.
//!
//! Hosts that are alike (site, people, windows, times) form a kind. Kinds are placed one after the other, each host at the
//! earliest start that openings, sites, people and the number of hosts down at once leave. What decides is the order of the
//! kinds; kinds that end last are moved to the front and everything is placed again, while that helps (D-0015).

use crate::board::{Board, Job};
use crate::people::Agenda;
use crate::profile::Profile;
use crate::times::Span;
use refit_names::TimeClass;
use std::collections::{BTreeMap, BTreeSet};

/// What is in use, moment by moment.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    all: Profile,
    sites: Vec<Profile>,
    agendas: Vec<Agenda>,
}

/// A host's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) start: i64,
    pub(crate) span: Span,
    pub(crate) person: Option<usize>,
    pub(crate) held: Held,
}

/// What keeps a host from starting earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The wave before and its soak, or the moment of planning.
    Wave,
    /// Its content is on its way.
    Staging,
    /// Its window opens then.
    Window,
    /// The number of hosts that may be down at once.
    Parallel,
    /// That number of its site.
    Site,
    /// People.
    People,
    /// It could be earlier, outside of working hours.
    Cheaper,
}

/// The outcome for one wave, job by job.
#[derive(Debug, Clone)]
pub(crate) struct Wave {
    /// In the order of the jobs given; none: there is no room for it before the horizon.
    pub(crate) places: Vec<Option<Placement>>,
    pub(crate) end: i64,
    missing: usize,
    outside_ms: i64,
}

/// Hosts that are alike.
#[derive(Debug, Clone)]
struct Kind {
    job: Job,
    /// Places among the wave's jobs.
    members: Vec<usize>,
}

/// Between which moments, and how.
#[derive(Debug, Clone, Copy)]
struct Aim {
    release: i64,
    deadline: i64,
    /// Working hours where a host has any before the deadline.
    cheap: bool,
}

/// Placements that one wave may cost beside its first tries: a tenth of a second, so that planning stays interactive.
const EFFORT_MAX: usize = 50_000;
/// Behind what a wave takes at least: so far are weekly windows seen.
const WEEK_MS: i64 = 7 * 86_400_000;
/// Tries for small waves, where each costs nothing.
const TRIES_MAX: usize = 60;
/// Up to so many hosts, each is a kind of its own: better orders are found.
const SINGLE_MAX: usize = 48;

impl Load {
    pub(crate) fn new(board: &Board<'_>) -> Self {
        Self {
            all: Profile::default(),
            sites: vec![Profile::default(); board.sites.len()],
            agendas: vec![Agenda::default(); board.people.len()],
        }
    }

    pub(crate) fn take(&mut self, site: usize, person: Option<usize>, start: i64, busy: i64) {
        self.all.take(start, busy, 1);
        if let Some(site_load) = self.sites.get_mut(site) {
            site_load.take(start, busy, 1);
        }
        if let Some(agenda) = person.and_then(|person| self.agendas.get_mut(person)) {
            agenda.take(start, busy, site);
        }
    }

    /// The earliest common start within the range, with who does it and what held it up last.
    fn earliest(
        &self,
        board: &Board<'_>,
        job: &Job,
        (from, latest): (i64, i64),
    ) -> Option<(i64, Option<usize>, Option<Held>)> {
        let mut start = from;
        let mut held = None;
        loop {
            let all = self.all.earliest(start, job.busy, board.parallel, latest)?;
            let site = match board.down_at_once[job.site] {
                u32::MAX => all,
                most => self.sites[job.site].earliest(all, job.busy, most, latest)?,
            };
            let (found, person) = self.person(board, job, (site, latest))?;
            held = match (all > start, site > all, found > site) {
                (_, _, true) => Some(Held::People),
                (_, true, _) => Some(Held::Site),
                (true, ..) => Some(Held::Parallel),
                _ => held,
            };
            if found == start {
                return Some((start, person, held));
            }
            start = found;
        }
    }

    fn person(
        &self,
        board: &Board<'_>,
        job: &Job,
        (from, latest): (i64, i64),
    ) -> Option<(i64, Option<usize>)> {
        let Some(crew) = job.crew else { return Some((from, None)) };
        let mut best: Option<(i64, Option<usize>)> = None;
        for person in &board.crews[crew] {
            // Who comes later in the crew has to be earlier, not as early.
            let bound = best.map_or(latest, |(start, _)| start - 1);
            let range = (from, job.busy, bound);
            let agenda = &self.agendas[*person];
            if let Some(start) = agenda.earliest(&board.people[*person], range, job.site) {
                best = Some((start, Some(*person)));
                if start == from {
                    break;
                }
            }
        }
        best
    }
}

/// Places one wave between `release` and the horizon, so that it ends early. `bound`: no schedule ends earlier.
pub(crate) fn place(
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
    let new = place(board, &load, &numbers, release, bound);
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
    fn recount(&mut self, board: &Board<'_>, jobs: &[usize], release: i64) {
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

/// The earliest place for one host from `release` on.
pub(crate) fn first(board: &Board<'_>, load: &Load, job: usize, release: i64) -> Option<Placement> {
    let aim = Aim { release, deadline: i64::MAX, cheap: false };
    next(board, load, &board.jobs[job], aim, &mut Pointer { span: 0, at: release }, |_| true)
}

/// Places an already placed wave again, in working hours where that costs nobody time: it ends by `deadline`.
pub(crate) fn cheaper(
    board: &Board<'_>,
    base: &Load,
    jobs: &[usize],
    (release, deadline): (i64, i64),
    found: Wave,
) -> Wave {
    let choice = |job: &usize| {
        let spans = board.spans(&board.jobs[*job]);
        let working = |span: &&Span| span.class == Some(TimeClass::WorkingHours);
        let inside = spans.iter().filter(working).count();
        inside > 0 && inside < spans.len()
    };
    if found.outside_ms == 0 || !jobs.iter().any(choice) {
        return found;
    }
    let kinds = kinds(board, jobs);
    let aim = Aim { release, deadline, cheap: true };
    let mut order = by_scarcity(board, &kinds, aim, (deadline, 0));
    // Who has no choice goes first: the others find something.
    order.sort_by_key(|kind| choice(&jobs[kinds[*kind].members[0]]));
    let wave = attempt(board, base, (jobs, &kinds), aim, &order);
    if wave.missing == 0 && wave.outside_ms < found.outside_ms { wave } else { found }
}

/// When to stop trying: at the bound, or half a per cent behind it where each try takes long.
fn enough(bound: i64, release: i64, jobs: usize) -> i64 {
    if jobs > SINGLE_MAX { bound.saturating_add((bound - release) / 200) } else { bound }
}

fn kinds(board: &Board<'_>, jobs: &[usize]) -> Vec<Kind> {
    let mut at = BTreeMap::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for (place, number) in jobs.iter().enumerate() {
        let job = board.jobs[*number];
        let alone = if jobs.len() <= SINGLE_MAX { place } else { 0 };
        let key = (job.site, job.crew, job.list, job.busy, job.undo, alone);
        let kind = *at.entry(key).or_insert_with(|| {
            kinds.push(Kind { job, members: Vec::new() });
            kinds.len() - 1
        });
        kinds[kind].members.push(place);
    }
    kinds
}

/// Who has the fewest moments to start at goes first, and among these the longest.
fn by_scarcity(
    board: &Board<'_>,
    kinds: &[Kind],
    aim: Aim,
    (bound, ahead): (i64, i64),
) -> Vec<usize> {
    let until = bound.max(aim.release).saturating_add(ahead);
    let chances = |kind: &Kind| -> i64 {
        let spans = board.spans(&kind.job).iter();
        let open = spans.map(|span| {
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
        for span in board.spans(&kind.job) {
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

/// Where the search of a kind goes on: what lies before is full for ever.
#[derive(Debug, Clone, Copy)]
struct Pointer {
    span: usize,
    at: i64,
}

fn attempt(
    board: &Board<'_>,
    base: &Load,
    (jobs, kinds): (&[usize], &[Kind]),
    aim: Aim,
    order: &[usize],
) -> Wave {
    let mut load = base.clone();
    let mut wave =
        Wave { places: vec![None; jobs.len()], end: aim.release, missing: 0, outside_ms: 0 };
    for kind in order.iter().map(|at| &kinds[*at]) {
        let mut any = Pointer { span: 0, at: aim.release };
        let mut cheap = any;
        for member in &kind.members {
            let job = &board.jobs[jobs[*member]];
            let inside = if aim.cheap {
                next(board, &load, job, aim, &mut cheap, |span| {
                    span.class == Some(TimeClass::WorkingHours)
                })
            } else {
                None
            };
            let found = match inside {
                Some(place) => Some(Placement { held: Held::Cheaper, ..place }),
                None => next(board, &load, job, aim, &mut any, |_| true),
            };
            let Some(place) = found else {
                wave.missing += 1;
                continue;
            };
            load.take(job.site, place.person, place.start, job.busy);
            wave.end = wave.end.max(place.start + job.busy);
            if place.span.class.is_some_and(|class| class != TimeClass::WorkingHours) {
                wave.outside_ms += job.busy;
            }
            wave.places[*member] = Some(place);
        }
    }
    wave
}

/// The earliest place for one more host of a kind.
fn next(
    board: &Board<'_>,
    load: &Load,
    job: &Job,
    aim: Aim,
    pointer: &mut Pointer,
    wanted: impl Fn(&Span) -> bool,
) -> Option<Placement> {
    let spans = board.spans(job);
    let release = aim.release.max(job.staged);
    let latest = aim.deadline.saturating_sub(job.busy);
    let mut held = None;
    while let Some(span) = spans.get(pointer.span) {
        let from = span.first.max(release).max(pointer.at);
        let last = span.last.min(span.closes - job.need()).min(latest);
        if span.first > latest {
            return None;
        }
        if from <= last && wanted(span) {
            if let Some((start, person, why)) = load.earliest(board, job, (from, last)) {
                pointer.at = start;
                let opens = if start == span.first { Held::Window } else { Held::Wave };
                let plain = if start == job.staged && job.staged > aim.release {
                    Held::Staging
                } else {
                    opens
                };
                let held = why.or(held).unwrap_or(plain);
                return Some(Placement { start, span: *span, person, held });
            }
            held = Some(fullest(board, load, job, from));
        }
        pointer.span += 1;
    }
    None
}

/// What an opening was full of: the narrowest of the limits at its beginning.
fn fullest(board: &Board<'_>, load: &Load, job: &Job, at: i64) -> Held {
    if load.all.peak(at, job.busy) >= board.parallel {
        Held::Parallel
    } else if load.sites[job.site].peak(at, job.busy) >= board.down_at_once[job.site] {
        Held::Site
    } else {
        Held::People
    }
}
