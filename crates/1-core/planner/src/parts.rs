//! A wave as parts that share nothing: each is placed by itself, and only those that end last are tried again (D-0015).

use crate::board::{Board, Job};
use crate::bound::Squeeze;
use crate::repair;
use crate::rows::{self, Effort, Filled, Proven};
use crate::schedule::{self, Aim, Held, Kind, Load, Placement, Wave, kinds};
use crate::search::{by_orders, enough};
use crate::sweep::{Part, Try, WEIGHT, sweep};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Placements that one wave may cost beside its first ones: a tenth of a second, so that planning stays interactive.
const EFFORT_MAX: usize = 60_000;
/// Tries for one part: what helps at all helps early.
const TRIES_MAX: usize = 150;
/// Tries for one site with rows that end earlier or later: each halves what is not known.
const ROWS_TRIES_MAX: usize = 5;
/// Behind what a wave takes at least: so far are weekly windows seen.
const WEEK_MS: i64 = 7 * 86_400_000;
/// So far behind the target openings are looked at first.
const AHEAD_MS: i64 = 3 * WEEK_MS;
/// Of kinds, so many may be those that end late for a few single hosts: behind them, the rest ends long before.
const FEW: usize = 20;
/// Parts of more hosts have so many kinds that orders of them cost too much.
const ORDERS_MAX: usize = 2_000;

/// What work takes where people are sent from site to site, with their hands not always full.
const LOSS_PERCENT: i64 = 115;

/// Places one wave between `release` and the horizon, so that it ends early. `bound`: no schedule ends earlier; with a closer
/// one, where one was looked for.
pub(crate) fn place(
    board: &Board<'_>,
    jobs: &[usize],
    release: i64,
    bound: i64,
) -> (Wave, Option<Proven>) {
    let kinds = kinds(board, jobs);
    let press = vec![0; kinds.len()];
    let mut wave = Parts { board, jobs, kinds: &kinds, release, bound, aim: bound, press };
    let apart = apart(board, &kinds);
    let squeezed = wave.squeeze();
    let mut parts: Vec<(Vec<usize>, Part)> =
        apart.into_iter().map(|own| wave.first(own, u32::MAX)).collect();
    let mut most = u32::MAX;
    if wave.too_many(&parts) {
        most = board.parallel;
        parts = vec![wave.first((0..kinds.len()).collect(), most)];
    }
    let before = (most == u32::MAX && !board.sites_are_apart()).then(|| parts.clone());
    let mut effort = if board.people.is_empty() { EFFORT_MAX } else { EFFORT_MAX / 2 };
    wave.each_late(&mut parts, |own, part, goal| {
        wave.improve(own, part, (most, goal), &mut effort);
    });
    // Sites that share nothing with others are looked at closely.
    let alone = most == u32::MAX && board.people.is_empty();
    let proven = alone.then(|| wave.late_parts(&mut parts));
    wave.bound = proven.map_or(wave.bound, |proven| proven.end);
    if alone {
        let mut effort = rows::EFFORT_MAX / 2;
        wave.each_late(&mut parts, |own, part, goal| wave.by_rows(own, part, goal, &mut effort));
    }
    // What ends earlier may have more hosts down at some moment than may be.
    if let Some(before) = before.filter(|_| wave.too_many(&parts)) {
        parts = before;
    }
    let mut whole = wave.whole(parts);
    if whole.missing == 0 && whole.end > enough(wave.bound, release, jobs.len()) {
        repair::earlier(board, jobs, &mut whole, (release, wave.bound));
    }
    (whole, proven.or(squeezed))
}

struct Parts<'a> {
    board: &'a Board<'a>,
    jobs: &'a [usize],
    kinds: &'a [Kind],
    release: i64,
    bound: i64,
    /// By when it can hope to be done.
    aim: i64,
    /// How near to more work than hands the hosts of each kind are.
    press: Vec<usize>,
}

impl Parts<'_> {
    /// Where people limit a wave: by when it can be done at the earliest, and who is in whose way.
    fn squeeze(&mut self) -> Option<Proven> {
        if self.board.people.is_empty() || self.bound == i64::MAX {
            return None;
        }
        let squeeze = Squeeze::of(self.board, self.jobs, (self.release, self.bound))?;
        self.bound = squeeze.end(self.bound);
        self.aim = squeeze.end_of(self.bound, LOSS_PERCENT);
        let press = squeeze.press(self.aim);
        let of = |kind: &Kind| {
            let key = kind.job.crew.map(|crew| (kind.job.list, crew));
            key.and_then(|key| press.get(&key)).copied().unwrap_or(0)
        };
        self.press = self.kinds.iter().map(of).collect();
        Some(Proven { end: self.bound, site: None })
    }

    fn first(&self, own: Vec<usize>, most: u32) -> (Vec<usize>, Part) {
        let part = self.sweep(&own, &vec![WEIGHT; own.len()], self.aim, most);
        (own, part)
    }

    fn sweep(&self, own: &[usize], weights: &[i64], target: i64, most: u32) -> Part {
        let kinds: Vec<&Kind> = own.iter().map(|kind| &self.kinds[*kind]).collect();
        let target =
            if target == i64::MAX { self.release.saturating_add(8 * WEEK_MS) } else { target };
        let near = target.max(self.release).saturating_add(AHEAD_MS);
        let press: Vec<usize> = own.iter().map(|kind| self.press[*kind]).collect();
        let (press, release) = (&press[..], self.release);
        let tried = Try { kinds: &kinds, weights, press, release, target, until: near, most };
        let part = sweep(self.board, tried);
        // What found no place near may find one far away.
        if part.missing > 0 && near < self.board.times.until {
            return sweep(self.board, Try { until: i64::MAX, ..tried });
        }
        part
    }

    /// Whether more hosts would be down at some moment than may be.
    fn too_many(&self, parts: &[(Vec<usize>, Part)]) -> bool {
        let most = u64::from(self.board.parallel);
        let at_once = |(own, part): &(Vec<usize>, Part)| {
            let sites: std::collections::BTreeSet<usize> =
                own.iter().map(|kind| self.kinds[*kind].job.site).collect();
            let limits = sites.iter().map(|site| u64::from(self.board.down_at_once[*site]));
            limits.sum::<u64>().min(part.places.len() as u64)
        };
        if parts.iter().map(at_once).sum::<u64>() <= most {
            return false;
        }
        let mut changes: Vec<(i64, i64)> = Vec::new();
        for (place, found) in parts.iter().flat_map(|(_, part)| &part.places) {
            let busy = self.board.jobs[self.jobs[*place]].busy;
            changes.extend([(found.start, 1), (found.start + busy, -1)]);
        }
        changes.sort_unstable();
        let mut level = 0;
        let peak = changes.iter().map(|(_, change)| {
            level += change;
            level
        });
        peak.max().unwrap_or(0) > i64::from(self.board.parallel)
    }

    /// Tries again what came too late, with what was late first.
    fn improve(
        &self,
        own: &[usize],
        best: &mut Part,
        (most, goal): (u32, i64),
        effort: &mut usize,
    ) {
        let count = own.iter().map(|kind| self.kinds[*kind].members.len()).sum::<usize>().max(1);
        let good = |part: &Part| part.missing == 0 && part.end <= goal;
        let people = !self.board.people.is_empty();
        let most_weight = if people { WEIGHT } else { WEIGHT * WEIGHT };
        let mut weights = vec![most_weight; own.len()];
        let mut last = best.clone();
        for number in 0..TRIES_MAX {
            if good(best) || *effort < count {
                break;
            }
            *effort -= count;
            let (late, aim) = if people {
                let late = stragglers(&last.ends).max(goal);
                (late, late.max(self.aim))
            } else {
                (goal.max(self.bound.min(last.end - 1)), self.bound)
            };
            for (weight, end) in weights.iter_mut().zip(&last.ends) {
                if *end > late {
                    *weight = (*weight * 3 / 4).max(1);
                }
            }
            // Now and then with a week more ahead, where chances look different.
            let ahead = if number % 3 == 1 { WEEK_MS } else { 0 };
            last = self.sweep(own, &weights, aim.saturating_add(ahead), most);
            if (last.missing, last.end) < (best.missing, best.end) {
                *best = last.clone();
            }
        }
        if good(best) || most < u32::MAX || count > ORDERS_MAX || *effort < count {
            return;
        }
        *effort = effort.saturating_sub(count * 10);
        let members: Vec<usize> =
            own.iter().flat_map(|kind| self.kinds[*kind].members.iter().copied()).collect();
        let jobs: Vec<usize> = members.iter().map(|place| self.jobs[*place]).collect();
        let wave = by_orders(self.board, &Load::new(self.board), &jobs, self.release, self.bound);
        if (wave.missing, wave.end) < (best.missing, best.end) {
            let places = members.into_iter().zip(wave.places);
            best.places = places.filter_map(|(place, found)| Some((place, found?))).collect();
            (best.missing, best.end) = (wave.missing, wave.end);
        }
    }

    /// Does something about each part that ends behind the bound, the latest first.
    fn each_late(
        &self,
        parts: &mut [(Vec<usize>, Part)],
        mut mend: impl FnMut(&[usize], &mut Part, i64),
    ) {
        let mut goal = enough(self.bound, self.release, self.jobs.len());
        parts.sort_by_key(|(_, part)| {
            (Reverse((part.missing, part.end)), part.places.first().map(|place| place.0))
        });
        for (own, part) in parts {
            if part.missing > 0 || part.end > goal {
                mend(own, part, goal);
                // Nobody has to end before the last.
                goal = goal.max(if part.missing == 0 { part.end } else { i64::MAX });
            }
        }
    }

    /// Looks at the sites that end late: either they can end by what is proven by then, and mostly do with rows that a linear
    /// program has (D-0015), or more is proven. What is proven in the end.
    fn late_parts(&self, parts: &mut [(Vec<usize>, Part)]) -> Proven {
        let mut proven = Proven { end: self.bound, site: None };
        let mut effort = Effort { proof: rows::EFFORT_MAX, rows: rows::EFFORT_MAX / 4 };
        self.each_late(parts, |own, part, _| {
            if part.missing == 0 && part.end > enough(proven.end, self.release, self.jobs.len()) {
                let (found, better) = self.rows(own, (proven.end, part.end), &mut effort);
                if found > proven.end {
                    proven = Proven { end: found, site: Some(self.kinds[own[0]].job.site) };
                }
                if let Some(better) = better {
                    *part = better;
                }
            }
        });
        proven
    }

    /// Tries again with rows: until the goal, and where that fails, halfway to what is known.
    fn by_rows(&self, own: &[usize], best: &mut Part, goal: i64, effort: &mut usize) {
        // Half of what is left is for the other sites.
        let mut share = Effort { proof: *effort / 4, rows: *effort / 4 };
        *effort -= share.proof + share.rows;
        let (mut until, mut failed) = (goal, goal);
        for _ in 0..ROWS_TRIES_MAX {
            match self.rows(own, (until, best.end), &mut share).1 {
                Some(part) => *best = part,
                None => failed = until,
            }
            if best.end <= goal || share.proof.min(share.rows) == 0 {
                break;
            }
            until = failed + (best.end - failed) / 2;
        }
        *effort += share.proof + share.rows;
    }

    /// What is proven for a site beyond `known`, and its hosts in rows that end about then, if there are such.
    fn rows(
        &self,
        own: &[usize],
        (known, limit): (i64, i64),
        effort: &mut Effort,
    ) -> (i64, Option<Part>) {
        let members: Vec<usize> =
            own.iter().flat_map(|kind| self.kinds[*kind].members.iter().copied()).collect();
        let jobs: Vec<usize> = members.iter().map(|place| self.jobs[*place]).collect();
        match rows::fill(self.board, &jobs, (self.release, known), limit, effort) {
            None => (known, None),
            Some(Filled { proven, order }) => {
                (proven, order.and_then(|order| self.placed(&members, order, (proven, limit))))
            }
        }
    }

    /// The hosts of a site in this order, each from its moment on; those that end behind `goal` are moved forward as far as that
    /// goes. None when some still end no earlier than `limit`, or not all of them find their content.
    fn placed(
        &self,
        members: &[usize],
        order: Vec<(usize, i64)>,
        (goal, limit): (i64, i64),
    ) -> Option<Part> {
        let mut load = Load::new(self.board);
        let (mut hosts, mut places) = (Vec::new(), Vec::with_capacity(members.len()));
        for (host, at) in order {
            // Whether content is there in the order of these starts is looked at below.
            let job = self.board.jobs[self.jobs[members[host]]];
            let job = Job { staged: self.release, ..job };
            let aim = Aim { release: at, deadline: i64::MAX, cheap: false };
            let found = schedule::first_of(self.board, &load, &job, aim)?;
            load.take(job.site, None, found.start, job.busy);
            let held = match found.start {
                start if start == found.span.first => Held::Window,
                start if start == self.release => Held::Wave,
                _ => Held::Site,
            };
            hosts.push(members[host]);
            places.push(Some(Placement { held, ..found }));
        }
        let jobs: Vec<usize> = hosts.iter().map(|place| self.jobs[*place]).collect();
        let mut wave = Wave { places, end: self.release, missing: 0, outside_ms: 0 };
        wave.recount(self.board, &jobs, self.release);
        if wave.end >= limit {
            repair::earlier(self.board, &jobs, &mut wave, (self.release, goal));
        }
        let end = wave.end;
        let places = hosts.into_iter().zip(wave.places);
        let mut places: Vec<(usize, Placement)> =
            places.filter_map(|(place, found)| Some((place, found?))).collect();
        let fits = end < limit && self.content_is_there(&mut places);
        fits.then_some(Part { places, ends: Vec::new(), end, missing: 0 })
    }

    /// Whether the content of a site's hosts is there in the order of their starts; sorts them.
    fn content_is_there(&self, places: &mut [(usize, Placement)]) -> bool {
        places.sort_by_key(|(place, found)| (found.start, *place));
        let job = |place: &usize| &self.board.jobs[self.jobs[*place]];
        let mut sent = places.iter().map(|(place, _)| job(place).ahead).min().unwrap_or(0);
        places.iter().all(|(place, found)| {
            sent = sent.saturating_add(job(place).bytes);
            self.board.there(job(place).site, sent) <= found.start
        })
    }

    fn whole(&self, parts: Vec<(Vec<usize>, Part)>) -> Wave {
        let mut wave = Wave {
            places: vec![None; self.jobs.len()],
            end: self.release,
            missing: 0,
            outside_ms: 0,
        };
        for (place, found) in parts.into_iter().flat_map(|(_, part)| part.places) {
            wave.places[place] = Some(found);
        }
        wave.recount(self.board, self.jobs, self.release);
        wave
    }
}

/// When all have ended but the few that end long after the others.
fn stragglers(ends: &[i64]) -> i64 {
    let mut ends = ends.to_vec();
    ends.sort_unstable_by_key(|end| Reverse(*end));
    let few = (ends.len() / FEW).max(1);
    let gaps = ends.windows(2).take(few).map(|pair| (pair[0] - pair[1], pair[1]));
    gaps.rev().max_by_key(|(gap, _)| *gap).map_or(i64::MAX, |(_, end)| end)
}

/// Kinds in groups that share neither site nor people.
fn apart(board: &Board<'_>, kinds: &[Kind]) -> Vec<Vec<usize>> {
    // Whoever shares something has the same root: sites first, then people.
    let mut roots: Vec<usize> = (0..board.sites.len() + board.people.len()).collect();
    for kind in kinds {
        for person in kind.job.crew.into_iter().flat_map(|crew| &board.crews[crew]) {
            let (one, two) =
                (root(&mut roots, kind.job.site), root(&mut roots, board.sites.len() + person));
            roots[one.max(two)] = one.min(two);
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, kind) in kinds.iter().enumerate() {
        parts.entry(root(&mut roots, kind.job.site)).or_default().push(number);
    }
    parts.into_values().collect()
}

fn root(roots: &mut [usize], mut at: usize) -> usize {
    while roots[at] != at {
        roots[at] = roots[roots[at]];
        at = roots[at];
    }
    at
}
