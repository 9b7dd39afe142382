//! The host's step log and the fold that says where the host stands and what it must do next.
//!
//! Here: entries, their hash chain, the fold. The same fold runs live and after a crash.
//! Deliberately not here: where entries are stored (`3-world/host`), what steps do.
//! Called by: agent, server (keeps a copy and checks the chain), sign-off.
//!
//! Invariants:
//! 1. Entries are only appended; each carries the hash of its predecessor.
//! 2. An intent stands before its deed, an outcome after it.
//! 3. After the intent of `traffic.open` a leg only goes forward.

use jiff::Timestamp;
use refit_names::{BuildId, Digest, StepId};
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
