//! Builders and fakes for tests: fleets, catalogues and plans in a line; time and randomness that a test decides.
//!
//! Here: what several rooms' tests need. Deliberately not here: anything that is shipped, anything with rules of its own
//! (a builder makes what it is told, also what a plan-check would refuse).
//! Called by: tests of planner, host, store, server and command line, lab.
//!
//! Invariants:
//! 1. The same calls give the same values, but for ports and servers: no clock, no randomness of the machine.
//! 2. A wrong literal in a test panics at once with the literal in the message.

mod ambient;
mod fleet;
mod plans;
mod port;
pub mod postgres;
mod wait;

pub use ambient::{SeededEntropy, SimClock, ambient};
pub use fleet::{HostBuilder, PRODUCT, catalog, host, pack};
pub use plans::PlanBuilder;
pub use port::free_port;
pub use wait::until;

use std::fmt::Debug;
use std::str::FromStr;

/// Reads a literal of a test.
///
/// # Panics
/// When the literal is none of `T`.
#[must_use]
pub fn lit<T: FromStr<Err: Debug>>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(error) => panic!("the test's literal {text:?} is wrong: {error:?}"),
    }
}
