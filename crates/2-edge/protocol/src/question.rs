//! Questions of hosts to people, on the agent's side: what a host waits for, the answers that go down, what stays as evidence.
//!
//! Level-triggered as all of this protocol: a host says with each report what it waits for; an answer goes down until
//! the host's journal has it.

use jiff::Timestamp;
use refit_journal::Answer;
use refit_names::StepId;
use refit_packs::runbook::{AskedRole, Phase, Question};
use refit_plan::OrderKey;
use serde::{Deserialize, Serialize};

/// What a host waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenQuestion {
    /// Which leg, from 0.
    pub leg: u32,
    /// Which step.
    pub step: StepId,
    /// Which asking, from 1: a step may be asked for again.
    pub attempt: u32,
    /// The step's phase.
    pub phase: Phase,
    /// What is asked, of whom, and what silence means.
    pub question: Question,
    /// When it was asked first, by the host's clock.
    pub since: Timestamp,
    /// When silence becomes the answer, by the host's clock.
    pub until: Timestamp,
}

/// Names one asking of one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionKey {
    /// Of which order.
    pub order: OrderKey,
    /// Which leg, from 0.
    pub leg: u32,
    /// Which step.
    pub step: StepId,
    /// Which asking, from 1.
    pub attempt: u32,
}

impl OpenQuestion {
    /// What names it.
    #[must_use]
    pub fn key(&self, order: &OrderKey) -> QuestionKey {
        let (order, step) = (order.clone(), self.step.clone());
        QuestionKey { order, leg: self.leg, step, attempt: self.attempt }
    }
}

/// An answer on its way to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenAnswer {
    /// To what.
    pub to: QuestionKey,
    /// The answer.
    pub answer: Answer,
}

/// A question and its answer in the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// Which leg, from 0.
    pub leg: u32,
    /// The step.
    pub step: StepId,
    /// Its phase.
    pub phase: Phase,
    /// Its kind.
    pub kind: String,
    /// Who was asked.
    pub asked: AskedRole,
    /// What was asked.
    pub question: String,
    /// When.
    pub asked_at: Timestamp,
    /// The answer that counted, with who and when.
    pub answer: Answer,
}
