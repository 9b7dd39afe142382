//! What a pack and a runbook say: their words, their rules, and which build can follow which.
//!
//! Here: manifest, runbook, release record, catalogue, upgrade paths.
//! Deliberately not here: reading files, hashing content, signing (`3-world/forge`, `3-world/repository`).
//! Called by: everybody who plans, delivers or carries out an upgrade.
//!
//! Invariants:
//! 1. Builds are never ordered by number: a path follows published edges only.
//! 2. Parameters reach commands as environment variables, never by substitution into text.
//! 3. What a `PackRecord` lists is all that a host may install: nothing else in a tree is legal.

pub mod alike;
pub mod catalog;
pub mod manifest;
pub mod parts;
pub mod pattern;
pub mod record;
mod removal;
pub mod runbook;
pub mod schema;
mod source;

pub use removal::removal;
pub use source::{Reading, RuleBreak, SourceFlaw, SourceFlaws};
