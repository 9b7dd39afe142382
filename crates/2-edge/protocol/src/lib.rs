//! What goes over the wire, versioned: between agent and server (`agent`), between people and server (`v1`).
//!
//! Here: types, routes and limits. Deliberately not here: anything that opens a socket.
//! Called by: server, agent, client, command line, console, documents.
//!
//! Invariants:
//! 1. A field is only added with a default; a change of meaning is a new version.
//! 2. Every error on the wire is a [`Problem`] with a code that has a page in `docs/errors/`.

pub mod agent;
pub mod backup;
pub mod preflight;
pub mod problem;
pub mod question;
pub mod runbook_test;
pub mod v1;

pub use problem::Problem;
