//! What is written down: one entry before and one after each deed.

use crate::Answer;
use jiff::Timestamp;
use refit_names::{BuildId, Coded, Digest, StepId};
use refit_plan::OrderKey;
use serde::{Deserialize, Serialize};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its place on this host, from 1, without gaps.
    pub seq: u64,
    /// When it was written, by the host's clock.
    pub at: Timestamp,
    /// The order that it belongs to.
    pub order: OrderKey,
    /// The hash of the entry before it; [`Digest::ZERO`] for the first.
    pub prev: Digest,
    /// What happened.
    pub body: EntryBody,
    /// SHA-256 over the compact JSON of the other fields.
    pub hash: Digest,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EntryBody {
    /// The order was verified and stored.
    OrderStored {
        /// SHA-256 of the order's compact JSON.
        order: Digest,
    },
    /// All five sub-stages of prepare are done.
    Prepared {},
    /// The control server said go.
    DeployStarted {},
    /// A deed is about to be done.
    Intent {
        /// Which leg, from 0.
        leg: u32,
        /// Which step.
        step: StepId,
        /// Which deed.
        verb: Verb,
        /// From 1.
        attempt: u32,
    },
    /// A deed was done or failed.
    Outcome {
        /// Which leg, from 0.
        leg: u32,
        /// Which step.
        step: StepId,
        /// Which deed.
        verb: Verb,
        /// How it ended.
        result: StepResult,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// The leg is taken back.
    RollbackDecided {
        /// Which leg, from 0.
        leg: u32,
        /// The root cause.
        cause: Cause,
    },
    /// The machine is about to restart.
    RebootRequested {
        /// Which leg, from 0.
        leg: u32,
        /// Which step.
        step: StepId,
        /// The boot before.
        boot_id: String,
    },
    /// A question was answered, by a person or by its deadline.
    Answered {
        /// Which leg, from 0.
        leg: u32,
        /// Which step.
        step: StepId,
        /// The answer.
        answer: Answer,
    },
    /// All steps of the leg are done.
    LegDone {
        /// Which leg, from 0.
        leg: u32,
        /// The build that runs now.
        build: BuildId,
    },
    /// The order is finished.
    Finished {
        /// How.
        outcome: OrderOutcome,
    },
}

/// What is done to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Carry it out and prove it.
    Apply,
    /// Take it back.
    Undo,
}

/// How a deed ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StepResult {
    /// Done; what was measured or seen, for people and for the certificate.
    Done {
        /// A line for people.
        note: String,
    },
    /// It was not needed: the goal was already reached.
    NotNeeded {
        /// Why.
        note: String,
    },
    /// It failed.
    Failed {
        /// Why.
        cause: Cause,
    },
}

/// A root cause: never replaced by a generic one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The error's code, with a page in `docs/errors/`.
    pub code: String,
    /// The whole chain, outermost first: what, where, expected, found.
    pub text: String,
}

impl Cause {
    /// Takes the code and the whole chain of an error.
    #[must_use]
    pub fn of(error: &(impl Coded + 'static)) -> Self {
        Self { code: error.code().to_owned(), text: refit_names::chain(error) }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Why an entry has no hash.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the journal entry as JSON")]
pub struct HashError(#[from] serde_json::Error);

/// What the hash of an entry covers, in this order.
#[derive(Serialize)]
struct Hashed<'a> {
    seq: u64,
    at: Timestamp,
    order: &'a OrderKey,
    prev: Digest,
    body: &'a EntryBody,
}

impl Entry {
    /// Makes the entry that follows `last`, or the first one of a host.
    ///
    /// # Errors
    /// [`HashError`] never in practice: all keys are texts.
    pub fn new(
        last: Option<(u64, Digest)>,
        at: Timestamp,
        order: OrderKey,
        body: EntryBody,
    ) -> Result<Self, HashError> {
        let (seq, prev) = last.map_or((1, Digest::ZERO), |(seq, hash)| (seq + 1, hash));
        let mut entry = Self { seq, at, order, prev, body, hash: Digest::ZERO };
        entry.hash = entry.computed_hash()?;
        Ok(entry)
    }

    /// The hash that the entry ought to have.
    ///
    /// # Errors
    /// As [`Entry::new`].
    pub fn computed_hash(&self) -> Result<Digest, HashError> {
        let Self { seq, at, order, prev, body, hash: _ } = self;
        let hashed = Hashed { seq: *seq, at: *at, order, prev: *prev, body };
        Ok(Digest::of(&serde_json::to_vec(&hashed)?))
    }
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OrderOutcome {
    /// The target build runs and is verified.
    Succeeded {
        /// The build that runs.
        build: BuildId,
    },
    /// A leg failed and was taken back; files and databases are those of `build`, of one moment.
    RolledBack {
        /// The build that runs.
        build: BuildId,
        /// The build that was refused.
        refused: BuildId,
        /// Why.
        cause: Cause,
    },
    /// Neither forward nor back by itself; nothing was lost.
    NeedsPerson {
        /// Why.
        cause: Cause,
    },
}
