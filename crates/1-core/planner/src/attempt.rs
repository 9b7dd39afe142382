//! A whole plan under a set of rules: waves, then times.

use crate::PlanInput;
use crate::board::Board;
use crate::bound::Squeeze;
use crate::candidates::Placed;
use crate::ordering::{self, Firsts};
use crate::rules::{Relaxed, Rule};
use crate::schedule::{self, Load, Placement};
use crate::times::ceil_ms;
use crate::waves::{self, Offset, Standing};
use crate::{Fault, bound, rows, search};
use refit_names::HostName;
use refit_plan::{Plan, busy_ms};
use std::collections::BTreeMap;

/// Horizons are tried one after the other, so that a plan of weeks does not expand rules for years.
const HORIZONS_DAYS: [u32; 3] = [60, 240, 730];

/// Horizons of fewer days per wave are not tried: a wave and its soak take as long where windows open a few times a week.
const WAVE_DAYS: u32 = 3;

/// What came out.
pub(crate) struct Attempt<'a> {
    /// The hosts in the order of the plan.
    pub(crate) ordered: Vec<Placed<'a>>,
    /// For each of them: its wave and why.
    pub(crate) standings: Vec<Standing>,
    /// For each of them: its time; none: no room before the horizon.
    pub(crate) places: Vec<Option<Placement>>,
    /// What they share; none when nothing has a time.
    pub(crate) board: Option<Board<'a>>,
    /// Each wave's earliest start, in milliseconds since 1970.
    pub(crate) releases: Vec<i64>,
    /// When the last host ends; none when something has no place or nothing has a time.
    pub(crate) finish: Option<i64>,
    /// No plan of these waves ends earlier.
    pub(crate) bound: Option<i64>,
}

/// Orders the hosts, fills waves and gives times, all under the rules that are not relaxed.
///
/// When some host fits into none of its openings, nobody gets a time: the others have a place of no meaning.
pub(crate) fn attempt<'a>(
    input: &'a PlanInput,
    relaxed: &'a Relaxed,
    placed: Vec<Placed<'a>>,
) -> Result<Attempt<'a>, Fault> {
    let firsts = ordering::firsts(input, &placed, relaxed);
    let ordered = ordering::order(placed, &firsts, relaxed)?;
    let standings = stand(input, &ordered, &firsts, relaxed);
    let mut both: Vec<(Placed<'a>, Standing)> = ordered.into_iter().zip(standings).collect();
    both.sort_by_key(|(_, standing)| standing.wave);
    let (ordered, standings): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    let most = input.demands.horizon_days;
    let waves = standings.last().map_or(0, |standing| standing.wave + 1);
    let least = u32::try_from(waves).unwrap_or(u32::MAX).saturating_mul(WAVE_DAYS);
    let fair = |days: &u32| (least..most).contains(days);
    let horizons = HORIZONS_DAYS.into_iter().filter(fair).chain([most]);
    let mut last = None;
    for days in horizons {
        let references: Vec<&Placed<'a>> = ordered.iter().collect();
        let board = Board::new(input, relaxed, &references, days);
        let timed = board.jobs.iter().any(|job| job.told);
        if !timed && input.demands.deadline.is_none() {
            let places = vec![None; ordered.len()];
            let (releases, finish, bound) = (Vec::new(), None, None);
            return Ok(Attempt {
                ordered,
                standings,
                places,
                board: None,
                releases,
                finish,
                bound,
            });
        }
        let unfit: Vec<bool> = board.jobs.iter().map(|job| !board.ever_fits(job)).collect();
        if unfit.contains(&true) {
            if days < most {
                continue;
            }
            let places = unfit.iter().enumerate().map(|(at, unfit)| board.anywhere(at, *unfit));
            let (places, releases, finish, bound) = (places.collect(), Vec::new(), None, None);
            let board = Some(board);
            return Ok(Attempt { ordered, standings, places, board, releases, finish, bound });
        }
        let times = times(input, relaxed, (&board, days == most), &standings);
        let complete = times.places.iter().all(Option::is_some);
        last = Some((board, times));
        if complete {
            break;
        }
    }
    let Some((board, times)) = last else { unreachable!("there is always a last horizon") };
    let complete = times.places.iter().all(Option::is_some);
    Ok(Attempt {
        ordered,
        standings,
        places: times.places,
        board: Some(board),
        releases: times.releases,
        finish: complete.then_some(times.finish),
        bound: times.bound,
    })
}

/// Waves: hosts that stood in a wave that has begun stay in it, the others are filled in behind.
fn stand<'a>(
    input: &'a PlanInput,
    ordered: &[Placed<'a>],
    firsts: &Firsts<'a>,
    relaxed: &Relaxed,
) -> Vec<Standing> {
    let Some(begun) = &input.begun else {
        return waves::fill(input, ordered, firsts, relaxed, Offset::default());
    };
    let parent: BTreeMap<&HostName, usize> = wave_numbers(&begun.plan);
    let running = begun.hosts.iter().filter_map(|host| parent.get(host)).max();
    let Some(running) = running else {
        return waves::fill(input, ordered, firsts, relaxed, Offset::default());
    };
    let stays = |host: &Placed<'_>| parent.get(&host.record.name).filter(|wave| *wave <= running);
    let free: Vec<Placed<'a>> =
        ordered.iter().filter(|host| stays(host).is_none()).cloned().collect();
    let hosts = begun.hosts.len() + ordered.len() - free.len();
    let offset = Offset { first: running + 1, hosts };
    let mut filled = waves::fill(input, &free, firsts, relaxed, offset).into_iter();
    let each = ordered.iter().map(|host| match stays(host) {
        Some(wave) => {
            let because = format!("risk {}; stays in its wave, which has begun", host.risk);
            Standing { wave: *wave, because }
        }
        None => match filled.next() {
            Some(standing) => standing,
            None => unreachable!("every host that does not stay was filled in"),
        },
    });
    each.collect()
}

pub(crate) fn wave_numbers(plan: &Plan) -> BTreeMap<&HostName, usize> {
    let numbered = plan.waves.iter().enumerate();
    numbered.flat_map(|(at, wave)| wave.hosts.iter().map(move |host| (&host.host, at))).collect()
}

struct Times {
    places: Vec<Option<Placement>>,
    releases: Vec<i64>,
    finish: i64,
    bound: Option<i64>,
}

/// Wave after wave, each as early as it can; then each again, in working hours where that costs nothing.
///
/// `last`: no longer horizon follows, so that the rest is placed also when something has no place.
fn times(
    input: &PlanInput,
    relaxed: &Relaxed,
    (board, last): (&Board<'_>, bool),
    standings: &[Standing],
) -> Times {
    let now = board.times.now;
    let apart = !relaxed.has(|| Rule::Waves);
    let soak_ms = input.shape.soak_ms;
    let soak = if relaxed.has(|| Rule::Soak(soak_ms)) { 0 } else { crate::board::ms(soak_ms) };
    let waves = standings.iter().map(|standing| standing.wave + 1).max().unwrap_or(0);
    let begun = begun(input, board, waves);
    let mut base = begun.load;
    let mut result = Times {
        places: vec![None; board.jobs.len()],
        releases: Vec::new(),
        finish: now,
        bound: Some(now),
    };
    let mut found = Vec::with_capacity(waves);
    let mut release = now;
    let mut first = 0;
    for wave in 0..begun.ends.len().max(waves) {
        let count = standings[first..].iter().take_while(|standing| standing.wave == wave).count();
        let jobs: Vec<usize> = (first..first + count).collect();
        first += count;
        let own = begun.ends.get(wave).copied().flatten();
        let bound = bound::wave_end(board, &jobs, release);
        result.releases.push(release);
        // What cannot end before the horizon needs no try.
        if bound.is_none() && !last {
            return result;
        }
        let (placed, proven) =
            search::place(board, &base, &jobs, release, bound.unwrap_or(i64::MAX));
        if placed.missing > 0 && !last {
            return result;
        }
        result.bound = result.bound.and_then(|start| {
            let end = if start == release { bound } else { bound::wave_end(board, &jobs, start) }?;
            // What was proven while placing holds for a wave that starts when that was looked at.
            let here = proven.filter(|_| start == release);
            let known = here.map_or(end, |proven| proven.end);
            let near = search::enough(known, start, jobs.len());
            let end = if here.is_some() && placed.end <= near {
                known
            } else {
                let critical = proven.and_then(|proven| proven.site);
                rows::late_sites(board, ends(board, &jobs, &placed), (start, known), critical)
            };
            let late = placed.end > end && here.is_none() && !board.people.is_empty();
            let squeeze = late.then(|| Squeeze::of(board, &jobs, (start, end))).flatten();
            let end = squeeze.map_or(end, |squeeze| squeeze.end(end));
            Some(
                own.map_or(end, |own| own.max(end))
                    + if jobs.is_empty() && own.is_none() { 0 } else { soak },
            )
        });
        let end = own.map_or(placed.end, |own| own.max(placed.end));
        if !apart {
            for (job, place) in jobs.iter().zip(&placed.places) {
                let Some(place) = place else { continue };
                let job = &board.jobs[*job];
                base.take(job.site, place.person, place.start, job.busy);
            }
            result.finish = result.finish.max(end);
        } else if !jobs.is_empty() || own.is_some() {
            (release, result.finish) = (end.saturating_add(soak), end);
        }
        found.push((jobs, placed));
    }
    // The last wave is followed by no other that would wait for its soak.
    result.bound = result.bound.filter(|_| apart).map(|bound| (bound - soak).max(now));
    in_working_hours(board, &base, (apart, soak), found, &mut result);
    result
}

/// From the last wave back to the first: each once more, in working hours where that delays nobody.
fn in_working_hours(
    board: &Board<'_>,
    base: &Load,
    (apart, soak): (bool, i64),
    found: Vec<(Vec<usize>, schedule::Wave)>,
    result: &mut Times,
) {
    let mut deadline = result.finish;
    for (wave, (jobs, placed)) in found.into_iter().enumerate().rev() {
        let places = if apart && placed.places.iter().all(Option::is_some) {
            let release = result.releases[wave];
            schedule::cheaper(board, base, &jobs, (release, deadline), placed).places
        } else {
            placed.places
        };
        let starts = places.iter().flatten().map(|place| place.start).min();
        if let Some(starts) = starts {
            deadline = starts.saturating_sub(soak);
        }
        for (job, place) in jobs.iter().zip(places) {
            result.places[*job] = place;
        }
    }
}

/// When each host of a wave ends.
fn ends<'a>(
    board: &'a Board<'_>,
    jobs: &'a [usize],
    placed: &'a schedule::Wave,
) -> impl Iterator<Item = (usize, i64)> + 'a {
    jobs.iter().zip(&placed.places).filter_map(|(job, place)| {
        let place = place.as_ref()?;
        Some((*job, place.start + board.jobs[*job].busy))
    })
}

/// What hosts that have begun still take, and when their waves are expected to end.
struct BegunLoad {
    load: Load,
    ends: Vec<Option<i64>>,
}

fn begun(input: &PlanInput, board: &Board<'_>, waves: usize) -> BegunLoad {
    let mut load = Load::new(board);
    let Some(begun) = &input.begun else { return BegunLoad { load, ends: vec![None; waves] } };
    let mut ends = vec![None; waves.max(begun.plan.waves.len())];
    for (at, wave) in begun.plan.waves.iter().enumerate() {
        for host in wave.hosts.iter().filter(|host| begun.hosts.contains(&host.host)) {
            let Some(slot) = &host.slot else { continue };
            let (start, busy) = (ceil_ms(slot.starts_at), crate::board::ms(busy_ms(host)).max(1));
            ends[at] = ends[at].max(Some((start + busy).max(board.times.now)));
            let site = board.sites.iter().position(|site| **site == host.site);
            let engineers = &input.surroundings.engineers;
            let person = engineers.iter().position(|person| slot.people.contains(&person.name));
            load.take(site.unwrap_or(usize::MAX), person, start, busy);
        }
    }
    let last = ends.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
    ends.truncate(last.max(waves));
    BegunLoad { load, ends }
}
