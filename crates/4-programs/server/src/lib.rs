//! The control server: one TLS door for agents and people, reconcilers that re-read the store and act, the console.
//!
//! Here: wiring, handlers, who may do what, what agents are told.
//! Deliberately not here: deciding what may follow what (`rollout`), planning (`planner`, `plan-check`), tables (`store`), pages (`console`).
//! Called by: command line (`refit server`), demo, benchmarks.
//!
//! Invariants:
//! 1. Every route stands in one table with the right it needs; what is not in the table does not exist.
//! 2. Desired state is derived from the store; nothing is pushed that could be lost.
//! 3. A campaign changes only through `refit_rollout`, and every act of a person is in the audit log.
//! 4. Secrets are stored as hashes (tokens) or in files with mode 0600 (keys), never logged.
//! 5. Every error on the wire is a problem with a code.

mod acknowledgements;
mod agents;
mod api;
mod app;
mod authority;
mod backups;
mod body;
mod calendar;
mod campaign;
mod certificates;
mod check;
mod console;
mod depot;
mod desired;
mod error;
mod expected;
mod files;
mod findings;
mod fleet;
mod history;
mod hosts;
mod hub;
mod notify;
mod papers;
mod parts;
mod people;
mod planning;
mod questions;
mod refusal;
mod rehearsal;
mod risk;
mod router;
mod serving;
mod start;
mod tasks;
mod tls;
mod views;
mod withdrawals;

pub use api::access_table;
pub use error::ServerError;
pub use rehearsal::rehearse;
pub use start::{RepositoryOptions, ServerHandle, ServerOptions, start};
