//! A client of signed (TUF) repositories: what is published, by whom, how fresh, and the bytes that belong to it.
//!
//! Here: trust kept on disk, refresh with every check of the specification, verified targets, a mirror that can be served as is.
//! Deliberately not here: private keys and publishing (`refit-forge`), chunks and trees (`refit-content`).
//! Called by: server (mirror), agent (every order is checked again on the host), command line (`refit repo trust|refresh|get`).
//!
//! Invariants:
//! 1. No byte of a target leaves this room before its length and digest agree with signed metadata.
//! 2. What was trusted once is never exchanged for something older, also after a restart or a power cut in the middle of a refresh.
//! 3. A mirror always offers one consistent state: its timestamp is replaced last. (A repository without consistent snapshots offers
//!    none itself while it changes: its mirror changes in one short go, and the next run mends what a power cut broke.)
//! 4. Nothing is read without a limit in bytes and in time.

mod catalog;
mod delegations;
mod digests;
mod download;
pub mod error;
mod limits;
pub mod medium;
mod mirror;
mod parse;
mod repository;
mod transport;
mod trust;
mod workflow;

pub use catalog::{CatalogReport, RefusedVendor, RunbookEntry};
pub use error::RepositoryError;
pub use limits::{Limits, same_server};
pub use mirror::{MirrorReport, NamedTarget};
pub use parse::{Inspected, RoleHolders, inspect};
pub use repository::{Repository, Source, refresh, refresh_within};
pub use transport::first_byte;
pub use trust::TrustStore;
