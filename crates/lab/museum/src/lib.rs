//! Hostile repositories and servers: one folder in `attacks/` for each attack of the TUF specification and of Uptane, each refused by
//! the real client with its own code.
//!
//! Here: the workshop that makes the hostile repositories (fixed keys, fixed dates, same bytes each time), a server that misbehaves on
//! demand, where the folders are.
//! Deliberately not here: the client (`refit-repository`), whose judgement is tested against them.
//! Called by: its own tests; the fuzz targets take the folders as seeds.
//!
//! Invariants:
//! 1. What is committed in `attacks/` is what the workshop makes: a test compares.
//! 2. Nothing in an exhibit depends on the day on which it is visited: the visitor's clock is an argument.

pub mod attacks;
pub mod server;
pub mod workshop;

use std::path::{Path, PathBuf};

/// The folder with one folder for each attack.
#[must_use]
pub fn attacks_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks")
}
