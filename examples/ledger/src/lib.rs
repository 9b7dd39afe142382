//! A small ledger over HTTP with its own SQLite database: the product that demo, bench and lab upgrade.
//!
//! Here: an honest server in three builds. Build 1100 adds sums; build 1200 needs schema 2, to which the database has to be migrated.
//! Deliberately not here: anything of Refit. It is the kind of program that people have.
//! Called by: its three programs `ledger-1000`, `ledger-1100`, `ledger-1200`.
//!
//! ```text
//! ROOT/current/bin/ledger      this program
//! ROOT/current/share/build     the build that the tree belongs to: a program in a foreign tree does not start
//! ROOT/data/ledger.db          entries
//! ROOT/data/ledger.json        settings, with the schema: a foreign pair does not start
//! ROOT/traffic.closed          while it exists, writes are answered with 503
//! ```
//!
//! Invariants:
//! 1. 201 is answered only after the entry is on the disk.
//! 2. The same entry may be sent any number of times and is stored once.
//! 3. A build starts only on the schema that it knows, with settings and database of the same one.

mod check;
mod layout;
mod migrate;
mod serve;
mod store;
mod traffic;

use anyhow::{Context as _, Result, bail};
use layout::Layout;
use std::{io::Write as _, process::ExitCode};

/// What makes one build differ from the others.
#[derive(Debug)]
pub struct Build {
    /// Its name.
    pub name: &'static str,
    /// The only schema that it works with.
    pub schema: u32,
    /// Whether it answers `/summary`.
    pub sums: bool,
}

/// The first build: entries only.
pub const BUILD_1000: Build = Build { name: "1000", schema: 1, sums: false };
/// Adds `/summary`; same schema.
pub const BUILD_1100: Build = Build { name: "1100", schema: 1, sums: true };
/// Accounts are a table of their own, unique without regard to case: schema 2; adds `/accounts`.
pub const BUILD_1200: Build = Build { name: "1200", schema: 2, sums: true };

const USAGE: &str = "usage: ledger serve|close|open|migrate|check|version
environment: REFIT_ROOT (folder with data/), REFIT_PARAM_PORT (for serve)";

/// Runs one subcommand of `build`.
#[must_use]
pub fn main(build: &Build) -> ExitCode {
    match run(build) {
        Ok(text) => {
            // Nobody may be listening; what was done stays done.
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ledger {}: {error:#}", build.name);
            ExitCode::FAILURE
        }
    }
}

fn run(build: &Build) -> Result<String> {
    let mut args = std::env::args().skip(1);
    let (verb, rest) = (args.next().context(USAGE)?, args.next());
    if rest.is_some() {
        bail!(USAGE);
    }
    if verb == "version" {
        return Ok(format!("ledger {} (schema {})", build.name, build.schema));
    }
    let layout = Layout::from_environment()?;
    match verb.as_str() {
        "serve" => serve::run(build, &layout),
        "close" => traffic::close(&layout),
        "open" => traffic::open(&layout),
        "migrate" => migrate::run(build, &layout),
        "check" => check::run(build, &layout),
        _ => bail!(USAGE),
    }
}
