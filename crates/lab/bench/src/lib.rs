//! Benchmarks that compare Refit with a peer in one run and print ratios.
//!
//! Here: one file per benchmark, the table of rows, the children that are measured. Deliberately not here: timed tests.
//! Called by: `./dev bench`.
//!
//! Invariants:
//! 1. Both sides run in the same minute, in turns, at least [`ROUNDS`] times; medians are compared.
//! 2. A ratio is ours divided by the peer's where less is better, the peer's divided by ours where more is better: small is good.
//! 3. Everything that a benchmark starts is ended by its process id, also when it fails.

pub mod child;
pub mod command;
pub mod delivery;
pub mod downtime;
pub mod host;
pub mod peers;
pub mod planner;
pub mod rehearsal;
pub mod row;
pub mod sync;

/// Rounds per case: the fewest whose median is not one neighbour's hiccup.
pub const ROUNDS: usize = 5;
