//! Giving the hosts of one wave their times: each as early as all limits allow, the scarce ones first.
//!
//! Hosts that are alike (site, people, windows, times, bytes) form a kind. Kinds are placed one after the other, each host at the
//! earliest start that openings, sites, people and the number of hosts down at once leave. What decides is the order of the
//! kinds; kinds that end last are moved to the front and everything is placed again, while that helps (D-0015).

use crate::board::{Board, Job};
use crate::people::Agenda;
use crate::profile::Profile;
use crate::times::Span;
use refit_names::TimeClass;
use std::collections::BTreeMap;

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
    pub(crate) missing: usize,
    pub(crate) outside_ms: i64,
}

/// Hosts that are alike.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) job: Job,
    /// Places among the wave's jobs.
    pub(crate) members: Vec<usize>,
}

/// Between which moments, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    pub(crate) release: i64,
    pub(crate) deadline: i64,
    /// Working hours where a host has any before the deadline.
    pub(crate) cheap: bool,
}

/// Up to so many hosts, each is a kind of its own: better orders are found.
pub(crate) const SINGLE_MAX: usize = 48;

impl Load {
    pub(crate) fn new(board: &Board<'_>) -> Self {
        Self {
            all: Profile::default(),
            sites: vec![Profile::default(); board.sites.len()],
            agendas: vec![Agenda::default(); board.people.len()],
        }
    }

    /// Whether nothing is in use at any time.
    pub(crate) fn is_idle(&self) -> bool {
        self.all.is_empty()
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

    /// Gives back what was taken.
    pub(crate) fn free(&mut self, site: usize, person: Option<usize>, start: i64, busy: i64) {
        self.all.free(start, busy);
        if let Some(site_load) = self.sites.get_mut(site) {
            site_load.free(start, busy);
        }
        if let Some(agenda) = person.and_then(|person| self.agendas.get_mut(person)) {
            agenda.free(start, busy);
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

/// The earliest place for one host from `release` on.
pub(crate) fn first(board: &Board<'_>, load: &Load, job: usize, release: i64) -> Option<Placement> {
    first_by(board, load, job, Aim { release, deadline: i64::MAX, cheap: false })
}

/// The earliest place for one host that ends by the deadline.
pub(crate) fn first_by(board: &Board<'_>, load: &Load, job: usize, aim: Aim) -> Option<Placement> {
    first_of(board, load, &board.jobs[job], aim)
}

/// The same for a job that is not quite one of the board's.
pub(crate) fn first_of(board: &Board<'_>, load: &Load, job: &Job, aim: Aim) -> Option<Placement> {
    let spans = board.spans(job);
    next(board, load, (job, &spans), aim, &mut Pointer { span: 0, at: aim.release }, |_| true)
}

/// Places an already placed wave again, in working hours where that costs nobody time: it ends by `deadline`.
pub(crate) fn cheaper(
    board: &Board<'_>,
    base: &Load,
    jobs: &[usize],
    (release, deadline): (i64, i64),
    found: Wave,
) -> Wave {
    let mut known: BTreeMap<usize, bool> = BTreeMap::new();
    let mut choice = |job: &usize| {
        let list = board.jobs[*job].list;
        *known.entry(list).or_insert_with(|| {
            let strands = board.times.lists[list].iter();
            let working = |strand: &usize| {
                let span = board.times.strands[*strand].first();
                span.and_then(|span| span.class) == Some(TimeClass::WorkingHours)
            };
            let inside = strands.map(working).filter(|working| *working).count();
            inside > 0 && inside < board.times.lists[list].len()
        })
    };
    if found.outside_ms == 0 || !jobs.iter().any(&mut choice) {
        return found;
    }
    if jobs.len() > SINGLE_MAX {
        return moved(board, base, jobs, (release, deadline), found, choice);
    }
    let kinds = kinds(board, jobs);
    let aim = Aim { release, deadline, cheap: true };
    let mut order = crate::search::by_scarcity(board, &kinds, aim, (deadline, 0));
    // Who has no choice goes first: the others find something.
    order.sort_by_key(|kind| choice(&jobs[kinds[*kind].members[0]]));
    let wave = attempt(board, base, (jobs, &kinds), aim, &order);
    if wave.missing == 0 && wave.outside_ms < found.outside_ms { wave } else { found }
}

/// Moves each host that has a choice into working hours, where there is room for it; all others stay.
fn moved(
    board: &Board<'_>,
    base: &Load,
    jobs: &[usize],
    (release, deadline): (i64, i64),
    mut found: Wave,
    mut choice: impl FnMut(&usize) -> bool,
) -> Wave {
    let mut load = base.clone();
    for (number, place) in jobs.iter().zip(&found.places) {
        let job = &board.jobs[*number];
        if let Some(place) = place {
            load.take(job.site, place.person, place.start, job.busy);
        }
    }
    let aim = Aim { release, deadline, cheap: true };
    let mut pointers: BTreeMap<(usize, Option<usize>, usize, i64), Option<Pointer>> =
        BTreeMap::new();
    for (number, place) in jobs.iter().zip(&mut found.places) {
        let job = &board.jobs[*number];
        let Some(before) = place.filter(|place| place.span.class != Some(TimeClass::WorkingHours))
        else {
            continue;
        };
        // Where content sets out in the order of starts, a later start of one is an earlier one of others.
        if board.has_line(job.site) || !choice(number) {
            continue;
        }
        let key = (job.site, job.crew, job.list, job.need());
        let pointer = pointers.entry(key).or_insert(Some(Pointer { span: 0, at: release }));
        let Some(at) = pointer else { continue };
        let spans = board.spans(job);
        let working = |span: &Span| span.class == Some(TimeClass::WorkingHours);
        // Its own place outside of working hours does not stand in its way, but for what limits all of them at once.
        match next(board, &load, (job, &spans), aim, at, working) {
            Some(inside) => {
                load.free(job.site, before.person, before.start, job.busy);
                load.take(job.site, inside.person, inside.start, job.busy);
                *place = Some(Placement { held: Held::Cheaper, ..inside });
            }
            None => *pointer = None,
        }
    }
    found.recount(board, jobs, release);
    found
}

pub(crate) fn kinds(board: &Board<'_>, jobs: &[usize]) -> Vec<Kind> {
    let mut at = BTreeMap::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for (place, number) in jobs.iter().enumerate() {
        let job = board.jobs[*number];
        let alone = if jobs.len() <= SINGLE_MAX { place } else { 0 };
        let key = (job.site, job.crew, job.list, job.busy, job.undo, job.bytes, alone);
        let kind = *at.entry(key).or_insert_with(|| {
            kinds.push(Kind { job, members: Vec::new() });
            kinds.len() - 1
        });
        kinds[kind].members.push(place);
    }
    kinds
}

/// Where the search of a kind goes on: what lies before is full for ever.
#[derive(Debug, Clone, Copy)]
struct Pointer {
    span: usize,
    at: i64,
}

pub(crate) fn attempt(
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
        let spans = board.spans(&kind.job);
        for member in &kind.members {
            let job = &board.jobs[jobs[*member]];
            let inside = if aim.cheap {
                next(board, &load, (job, &spans), aim, &mut cheap, |span| {
                    span.class == Some(TimeClass::WorkingHours)
                })
            } else {
                None
            };
            let found = match inside {
                Some(place) => Some(Placement { held: Held::Cheaper, ..place }),
                None => next(board, &load, (job, &spans), aim, &mut any, |_| true),
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
    (job, spans): (&Job, &[Span]),
    aim: Aim,
    pointer: &mut Pointer,
    wanted: impl Fn(&Span) -> bool,
) -> Option<Placement> {
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
