//! The state machine of a rollout: its table, its walk, its limits.

mod fleet;
mod limits;
mod table;
mod walk;
mod windows;
