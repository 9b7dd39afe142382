//! Waiting for a person: the answer comes from outside, the deadline from this host's own clock.

use super::{
    Engine, EngineError,
    drive::{Chosen, outcome},
    heartbeat::Heartbeat,
};
use jiff::{SignedDuration, Timestamp};
use refit_journal::{Answer, AnsweredBy, Entry, EntryBody, Position, StepResult, Verb};
use refit_names::StepId;
use refit_packs::runbook::Question;
use refit_protocol::question::{OpenQuestion, QuestionKey};
use std::time::{Duration, Instant};

/// Brings what people answered.
pub trait People: Send + Sync {
    /// Waits for an answer for `limit` at most; may come back earlier without one.
    fn wait(&self, question: &QuestionKey, limit: Duration) -> Option<Answer>;
}

/// Nobody is there: each question ends with its deadline.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl People for Nobody {
    fn wait(&self, _: &QuestionKey, limit: Duration) -> Option<Answer> {
        std::thread::sleep(limit);
        None
    }
}

/// So often the deadline is looked at while nothing comes.
const LOOK: Duration = Duration::from_secs(1);

/// The question that the fold waits with.
pub(super) struct Waiting {
    pub(super) leg: u32,
    pub(super) step: usize,
    pub(super) attempt: u32,
    pub(super) since: Timestamp,
}

impl Engine {
    /// Waits until an answer comes or the deadline passes, and writes down which.
    pub(super) fn await_answer(
        &self,
        waiting: &Waiting,
        position: &Position,
        entries: &mut Vec<Entry>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), EngineError> {
        let Waiting { leg, step, attempt, since } = *waiting;
        let chosen = Chosen { leg, step, verb: Verb::Apply, attempt };
        let known = self.step(&chosen);
        // The fold waits only where the runbook asks.
        let Some(question) = known.kind.question() else { return Ok(()) };
        let within = Duration::from_millis(question.within_ms());
        let open = OpenQuestion {
            leg,
            step: known.id.clone(),
            attempt,
            phase: known.phase,
            since,
            until: since.saturating_add(signed(within)).unwrap_or(Timestamp::MAX),
            question,
        };
        self.show(&chosen, position, entries, heartbeat, Some(open.clone()));
        tracing::info!(step = %open.step, of = %open.question.ask(), until = %open.until, "waits for a person");
        let answer = self.answer(&open, within);
        tracing::info!(step = %open.step, %answer, "answered");
        self.push(entries, EntryBody::Answered { leg, step: open.step, answer })?;
        // After the entry: a server that hears of no question any more finds there what counted.
        heartbeat.alter(|progress| progress.question = None);
        Ok(())
    }

    /// Across a restart the wall clock says what is left; while this process waits, steps of that clock change nothing.
    fn answer(&self, open: &OpenQuestion, within: Duration) -> Answer {
        let key = open.key(&self.input.order.key);
        let left = open.until.duration_since(self.input.clock.now());
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO).min(within);
        let begun = Instant::now();
        loop {
            let rest = left.saturating_sub(begun.elapsed());
            if let Some(answer) = self.people.wait(&key, rest.min(LOOK)) {
                match fits(&open.question, &answer) {
                    Ok(()) => return answer,
                    Err(misfit) => {
                        tracing::warn!(step = %open.step, misfit, "an answer is not taken");
                        // The server holds it against the same rules: it will not come again soon.
                        std::thread::sleep(rest.min(LOOK));
                    }
                }
            }
            if rest.is_zero() {
                let by = AnsweredBy::Deadline {};
                let given = open.question.default();
                return Answer { given, by, at: self.input.clock.now(), reason: String::new() };
            }
        }
    }

    /// Writes how a step ended whose question was answered.
    pub(super) fn conclude(
        &self,
        entries: &mut Vec<Entry>,
        leg: u32,
        id: &StepId,
        result: StepResult,
        took_ms: u64,
    ) -> Result<(), EngineError> {
        let took = Duration::from_millis(took_ms);
        self.push(entries, outcome(leg, id, Verb::Apply, result, took))
    }
}

fn fits(question: &Question, answer: &Answer) -> Result<(), String> {
    match (&answer.given, &answer.by) {
        (_, AnsweredBy::Deadline {}) => Err("it is nobody's".to_owned()),
        (_, AnsweredBy::Person { role, .. }) if *role != question.ask() => {
            Err(format!("it is of the {role}, expected the {}", question.ask()))
        }
        (None, _) => Err("it says nothing".to_owned()),
        (Some(given), _) => question.fits(given).map_err(|misfit| misfit.to_string()),
    }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
