//! Nothing is started that cannot be done, or taken back, before the order's opening closes. This host's clock decides:
//! it may be cut off from everything else.

use super::{Engine, drive::Chosen};
use jiff::{SignedDuration, Timestamp};
use refit_journal::{Cause, Entry, EntryBody, StepResult, Verb};
use refit_names::{Coded, ErrorClass, StepId, WindowName};
use refit_packs::runbook::StepKind;
use refit_plan::Opening;

/// Too little is left of the opening.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "step `{step}` of leg {leg} is not started: {needs_ms} ms for it and {undo_ms} ms for the way back do not fit before window `{window}` closes at {closes_at}, found {left_ms} ms"
)]
pub struct NoTimeLeft {
    /// Which leg, from 0.
    pub leg: u32,
    /// The step that would be next.
    pub step: StepId,
    /// The window.
    pub window: WindowName,
    /// When it closes.
    pub closes_at: Timestamp,
    /// What is still to come, at most.
    pub needs_ms: i64,
    /// The way back.
    pub undo_ms: i64,
    /// What is left.
    pub left_ms: i64,
}

impl Coded for NoTimeLeft {
    fn code(&self) -> &'static str {
        NO_TIME_LEFT
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// Its code: the build is not at fault, so it is not put into quarantine.
pub(super) const NO_TIME_LEFT: &str = "window.no-time-left";

/// Whether an order may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It may.
    Now,
    /// Its window is closed until then.
    NotBefore(Timestamp),
    /// Too little is left of its window.
    TooLate(NoTimeLeft),
}

impl Engine {
    /// Whether the order may begin now, as its opening and this host's clock say.
    #[must_use]
    pub fn start(&self) -> Start {
        let Some(opening) = &self.input.order.opening else { return Start::Now };
        let now = self.input.clock.now();
        if now < opening.opens_at {
            return Start::NotBefore(opening.opens_at);
        }
        let Some(step) = self.steps.first().and_then(|leg| leg.steps.first()) else {
            return Start::Now;
        };
        let (whole, undo) = self.times(0);
        fits(opening, now, (whole, undo), (0, &step.id))
            .map_or_else(Start::TooLate, |()| Start::Now)
    }

    /// Whether the step may start; why not is the cause for which the leg is taken back.
    pub(super) fn in_time(&self, chosen: &Chosen, entries: &[Entry]) -> Result<(), Cause> {
        let Some(opening) = &self.input.order.opening else { return Ok(()) };
        // Clients were let in: from there a leg only goes forward.
        if chosen.verb == Verb::Undo || self.let_in(chosen.leg, entries) {
            return Ok(());
        }
        let step = self.step(chosen);
        let (_, undo) = self.times(chosen.leg as usize);
        let now = self.input.clock.now();
        let needs = self.still_to_come(chosen, entries, now).min(millis(step.timeout_ms));
        // Waiting for a person counts as work.
        let asked = step.kind.question().map_or(0, |question| question.within_ms());
        let needs = needs.max(millis(asked));
        fits(opening, now, (needs, undo), (chosen.leg, &step.id)).map_err(|late| {
            let late = Cause::of(&late);
            match last_failure(entries, chosen.leg, &step.id) {
                // Why it needs another try stays the root cause.
                Some(cause) => Cause {
                    text: format!("{}; no time is left for another try: {}", cause.text, late.text),
                    code: cause.code,
                },
                None => late,
            }
        })
    }

    /// How long a leg may take, and its way back: the order's times, in which history speaks, shared out by what the
    /// packs say of their legs; without them the pack's own.
    fn times(&self, leg: usize) -> (SignedDuration, SignedDuration) {
        let said = |at: usize| self.legs[at].record.manifest.estimate;
        let own = said(leg);
        let Some(times) = self.input.order.times else {
            return (millis(own.p95_ms), millis(own.undo_p95_ms));
        };
        let all: u64 = (0..self.legs.len()).map(|at| said(at).p95_ms).sum();
        let share = u128::from(times.p95_ms) * u128::from(own.p95_ms) / u128::from(all.max(1));
        (millis(u64::try_from(share).unwrap_or(u64::MAX)), millis(times.undo_p95_ms))
    }

    /// What the leg's p95 leaves from now on; a leg that is late already gets its steps' mean share.
    fn still_to_come(&self, chosen: &Chosen, entries: &[Entry], now: Timestamp) -> SignedDuration {
        let leg = chosen.leg as usize;
        let (whole, _) = self.times(leg);
        let deploying =
            entries.iter().skip_while(|entry| entry.body != EntryBody::DeployStarted {});
        let first = deploying.into_iter().find(
            |entry| matches!(&entry.body, EntryBody::Intent { leg, .. } if *leg == chosen.leg),
        );
        let spent = first.map_or(SignedDuration::ZERO, |entry| now.duration_since(entry.at));
        let steps = i32::try_from(self.steps[leg].steps.len().max(1)).unwrap_or(i32::MAX);
        (whole - spent).max(whole / steps)
    }

    fn let_in(&self, leg: u32, entries: &[Entry]) -> bool {
        let steps = &self.steps[leg as usize].steps;
        let opens = |id: &StepId| {
            let step = steps.iter().find(|step| step.id == *id);
            step.is_some_and(|step| matches!(step.kind, StepKind::TrafficOpen { .. }))
        };
        entries.iter().any(|entry| {
            matches!(&entry.body, EntryBody::Intent { leg: of, step, verb: Verb::Apply, .. } if *of == leg && opens(step))
        })
    }
}

fn fits(
    opening: &Opening,
    now: Timestamp,
    (needs, undo): (SignedDuration, SignedDuration),
    (leg, step): (u32, &StepId),
) -> Result<(), NoTimeLeft> {
    let left = opening.closes_at.duration_since(now);
    if needs.saturating_add(undo) <= left {
        return Ok(());
    }
    Err(NoTimeLeft {
        leg,
        step: step.clone(),
        window: opening.window.clone(),
        closes_at: opening.closes_at,
        needs_ms: as_ms(needs),
        undo_ms: as_ms(undo),
        left_ms: as_ms(left),
    })
}

fn last_failure(entries: &[Entry], leg: u32, id: &StepId) -> Option<Cause> {
    entries.iter().rev().find_map(|entry| match &entry.body {
        EntryBody::Outcome {
            leg: of,
            step,
            verb: Verb::Apply,
            result: StepResult::Failed { cause },
            ..
        } if *of == leg && step == id => Some(cause.clone()),
        _ => None,
    })
}

fn millis(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn as_ms(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
