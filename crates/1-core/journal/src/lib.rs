//! The host's step log and the fold that says where the host stands and what it must do next.
//!
//! Here: entries, their hash chain, the fold. The same fold runs live and after a crash.
//! Deliberately not here: where entries are stored (`3-world/host`), what steps do.
//! Called by: agent and host, server (keeps a copy and checks the chain), sign-off.
//!
//! Invariants:
//! 1. Entries are only appended; each carries the hash of its predecessor.
//! 2. An intent stands before its deed, an outcome after it.
//! 3. After the intent of `traffic.open` a leg only goes forward.

mod asked;
mod chain;
mod entry;
mod fold;
mod next;
mod staging;

pub use asked::{Answer, AnsweredBy};
pub use chain::{ChainBroken, verify_chain, verify_continuation};
pub use entry::{Cause, Entry, EntryBody, HashError, OrderOutcome, StepResult, Verb};
pub use fold::{JournalBroken, LegSteps, Position, fold};
pub use next::{INTERRUPTED, Move};
pub use staging::{StageMove, next_stage};
