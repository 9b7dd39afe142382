//! The notebook of a planner: scripts with a fleet and questions, and what Refit answered, kept as text.
//!
//! Here: the language of the scripts, model fleets of any size. Deliberately not here: any planning.
//! Called by: its tests, bench.
//!
//! Invariants:
//! 1. The same script gives the same transcript, to the byte.
//! 2. Every plan in a transcript passed through the second judge; what it found stands in the transcript.

pub mod model;
