//! What one run came to, measured on its hosts.

use crate::model::{Model, ModelHost};
use crate::outcome::{HaltCause, RunOutcome, WaveOutcome};
use refit_names::TimeClass;

/// Where a host of this world stands; the state machine has its own opinion.
#[derive(Clone, Copy, Default)]
pub(crate) struct Body {
    /// Raised each time that it is told to go or called back.
    pub(crate) call: u32,
    pub(crate) told: bool,
    pub(crate) begun_ms: Option<i64>,
    pub(crate) ended_ms: Option<i64>,
    pub(crate) ends_well: bool,
    /// Its window became too short while it ran.
    pub(crate) turned_back: bool,
    /// Coming back failed too.
    pub(crate) stuck: bool,
    /// A person left it out.
    pub(crate) left_out: bool,
    /// What was left of its window when it could have begun did not hold it.
    pub(crate) missed: bool,
}

/// How a run ended.
pub(crate) struct Ended {
    /// When someone said go.
    pub(crate) deployed_ms: Option<i64>,
    /// When it was over, and what stopped it.
    pub(crate) over: Option<(i64, Option<(usize, HaltCause)>)>,
    /// Moves of the state machine.
    pub(crate) moves: u64,
}

pub(crate) fn outcome(model: &Model, bodies: &[Body], ended: &Ended) -> RunOutcome {
    let count = |which: fn(&Body) -> bool| {
        u32::try_from(bodies.iter().filter(|body| which(body)).count()).unwrap_or(u32::MAX)
    };
    let failed = |body: &Body| body.ended_ms.is_some() && !body.ends_well;
    debug_assert!(bodies.iter().all(|body| !body.stuck || !body.ends_well), "stuck is no success");
    RunOutcome {
        deployed_ms: ended.deployed_ms,
        completed_ms: ended.over.and_then(|(at, halt)| halt.is_none().then_some(at)),
        halted: ended.over.and_then(|(_, halt)| halt),
        waves: waves(model, bodies, ended, failed),
        rolled_back: count(|body| body.ended_ms.is_some() && !body.ends_well && !body.stuck),
        stuck: count(|body| body.ended_ms.is_some() && body.stuck),
        turned_back: count(|body| body.turned_back),
        left_out: count(|body| body.left_out),
        out_of_hours_ms: out_of_hours(model, bodies),
        idle_ms: idle(bodies),
        moves: ended.moves,
    }
}

impl ModelHost {
    /// When nobody is busy with the host any more: behind the people's validation if it went well.
    fn free(&self, body: &Body) -> Option<i64> {
        let validation_ms = if body.ends_well { self.validation_ms } else { 0 };
        body.ended_ms.map(|end| end.saturating_add(validation_ms))
    }
}

fn waves(
    model: &Model,
    bodies: &[Body],
    ended: &Ended,
    failed: fn(&Body) -> bool,
) -> Vec<WaveOutcome> {
    let mut waves = vec![WaveOutcome { fits: true, ..WaveOutcome::default() }; model.waves.len()];
    let mut unfinished = vec![false; model.waves.len()];
    for (host, body) in model.hosts.iter().zip(bodies) {
        let wave = &mut waves[host.wave];
        wave.reached |= body.call > 0 || body.missed;
        if let Some(begun) = body.begun_ms {
            wave.began_ms = Some(wave.began_ms.map_or(begun, |before| before.min(begun)));
        }
        if let Some(end) = host.free(body) {
            wave.ended_ms = Some(wave.ended_ms.map_or(end, |before| before.max(end)));
            wave.fits &= host.slot.as_ref().is_none_or(|slot| end <= slot.closes_ms);
        }
        wave.failures += u32::from(failed(body));
        wave.fits &= !body.missed && !body.turned_back;
        unfinished[host.wave] |= body.ended_ms.is_none() && !body.left_out;
    }
    for (wave, unfinished) in waves.iter_mut().zip(unfinished) {
        if unfinished {
            wave.ended_ms = None;
        }
    }
    if let Some((_, Some((at, HaltCause::Timeout)))) = ended.over
        && let Some(wave) = waves.get_mut(at)
    {
        wave.fits = false;
    }
    waves
}

/// Work outside working hours, by person: who looks after three hosts at once works once.
fn out_of_hours(model: &Model, bodies: &[Body]) -> Vec<i64> {
    let mut spans: Vec<Vec<(i64, i64)>> = vec![Vec::new(); model.people.len() + 1];
    for (host, body) in model.hosts.iter().zip(bodies) {
        let (Some(from), Some(to)) = (body.begun_ms, host.free(body)) else { continue };
        let nobody = [model.people.len()];
        let (out, people) = match &host.slot {
            Some(slot) if slot.people.is_empty() => {
                (slot.class != TimeClass::WorkingHours, &nobody[..])
            }
            Some(slot) => (slot.class != TimeClass::WorkingHours, &slot.people[..]),
            None => (!model.hours.at_work(from), &nobody[..]),
        };
        for person in people.iter().filter(|_| out) {
            spans[*person].push((from, to));
        }
    }
    spans.into_iter().map(|spans| join(spans).iter().map(|(from, to)| to - from).sum()).collect()
}

/// The longest time between the first begin and the last end in which no host ran.
fn idle(bodies: &[Body]) -> i64 {
    let busy = bodies.iter().filter_map(|body| Some((body.begun_ms?, body.ended_ms?))).collect();
    let joined = join(busy);
    joined.windows(2).map(|pair| pair[1].0 - pair[0].1).max().unwrap_or(0)
}

/// Spans without overlaps, in order.
fn join(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match joined.last_mut() {
            Some((_, end)) if from <= *end => *end = (*end).max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_or_overlap_become_one() {
        assert_eq!(join(vec![(5, 9), (0, 2), (2, 4), (6, 7)]), [(0, 4), (5, 9)]);
    }
}
