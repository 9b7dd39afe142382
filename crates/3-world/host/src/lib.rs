//! All that touches a managed machine: services, processes, files, reboot, probes, and the journal on disk.
//!
//! Here: the engine that carries out an order, one file per step kind, what a host looks like from inside.
//! Deliberately not here: what a crash means (`1-core/journal` decides), fetching content (`content`), talking to the server (`agent`).
//! Called by: agent.
//!
//! Invariants:
//! 1. The engine never decides what is next: it asks the fold, live and after a crash alike.
//! 2. An intent is durable before its deed; an outcome is durable before the next intent.
//! 3. Every apply and undo reaches the same goal when it is done twice.
//! 4. Nothing of the product is deleted unseen: what a restore replaces is kept beside the backup.

mod clock;
mod command;
mod context;
pub mod engine;
pub mod error;
mod evidence;
pub mod facts;
mod finding;
pub mod holders;
pub mod in_place;
pub mod journal;
pub mod layout;
mod leftovers;
pub mod machine;
mod packages;
pub mod parts;
mod pending;
mod places;
mod ports;
mod preflight;
mod probe;
pub mod process;
pub mod product;
pub mod service;
mod steps;
mod system_journal;
pub mod uninstall;
pub mod unit;
mod user;
mod volume;
