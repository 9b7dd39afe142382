//! The one expression language of filters and gates: CEL with a guard.
//!
//! Here: reading, checking of names and types with positions, fast evaluation over many subjects; what is known of hosts.
//! Deliberately not here: who asks, where expressions are stored.
//! Called by: server, console through it; later gates of waves.
//!
//! ```text
//! text → length, brackets → parse (16 MiB stack) → names, types, levels → Expression → evaluate (16 MiB stack) → answers
//! ```
//!
//! Invariants:
//! 1. No text that people give can overflow the stack, run without an end, or reach anything but its variables.
//! 2. An expression that was accepted has only known names, and types that fit; what is left to fail is arithmetic.
//! 3. The same expression over the same subject gives the same answer.
//!
//! The one thread here is a stack: it is joined before the call returns, so core stays without concurrency.

mod check;
mod error;
mod expression;
mod guard;
mod host;
mod vocabulary;

pub use error::{ExpressionError, Place};
pub use expression::{Expression, Scalar, Subject};
pub use host::{HostSubject, host_vocabulary, select_hosts};
pub use vocabulary::{Function, Type, Variable, Vocabulary};
