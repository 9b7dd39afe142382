//! Kills the agent's engine at every file operation of an install, and judges the host afterwards.
//!
//! Here: the walk over all points (`strace` kills the process as it enters the n-th call), the second kill while the first is made
//! good, the power cut on volumes that lose what was not made durable, volumes that fill up, the judge that compares with the old or the new build.
//! Deliberately not here: kills at journal writes inside one process (`host`'s own tests), faults of the network and the server.
//! Called by: `./dev crash`, its own test in CI.
//!
//! Invariants:
//! 1. The product's code has no seam for this: what dies is the real engine with the real journal, content store, forge and product.
//! 2. Every change of a file by the agent is a point; a recording with one that cannot be hit again is refused.
//! 3. The judge shares no code with the engine: it reads folders, databases and answers over HTTP.

mod agent;
mod debs;
mod full;
mod host;
mod judge;
mod kinds;
mod life;
mod packs;
mod power;
mod report;
mod system;
mod trace;
mod tree;
mod walk;
mod writer;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, process::ExitCode};

pub use kinds::{KINDS, Kind};
pub use power::{Disk, possible};
pub use system::possible_for_packages;
pub use walk::{Fault, Tally, Walk};

/// Kills the engine at every point and judges the host.
#[derive(Debug, Parser)]
#[command(name = "refit-crash", version)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Only these kinds of install; all when none is named.
    #[arg(long)]
    kind: Vec<String>,
    /// What dies.
    #[arg(long, value_enum, default_value = "kill")]
    fault: FaultName,
    /// Only every n-th point.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Chooses among points where not all are walked.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Hosts at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The agent that is killed.
    #[command(hide = true)]
    Agent {
        /// Its host.
        folder: PathBuf,
    },
    /// What is done on a system of the walk's own.
    #[command(hide = true)]
    Inside {
        /// As JSON.
        errand: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultName {
    /// The agent.
    Kill,
    /// The agent, and again while it makes good.
    KillTwice,
    /// The power, on ext4.
    #[value(alias = "power")]
    PowerExt4,
    /// The power, on XFS.
    PowerXfs,
    /// Nothing: a volume fills up.
    Full,
}

impl FaultName {
    const fn fault(self) -> Fault {
        match self {
            Self::Kill => Fault::Kill,
            Self::KillTwice => Fault::KillTwice,
            Self::PowerExt4 => Fault::Power(Disk::Ext4),
            Self::PowerXfs => Fault::Power(Disk::Xfs),
            Self::Full => Fault::Full,
        }
    }
}

/// Runs the program.
#[must_use]
pub fn execute(arguments: Arguments) -> ExitCode {
    let done = match &arguments.verb {
        Some(Verb::Agent { folder }) => agent::run(folder),
        Some(Verb::Inside { errand }) => inside(errand),
        None => walk_all(&arguments),
    };
    done.unwrap_or_else(|error| {
        report::say(&format!("refit-crash: {error:#}"));
        ExitCode::FAILURE
    })
}

fn inside(errand: &str) -> Result<ExitCode> {
    report::data(&serde_json::from_str::<system::Errand>(errand)?.run()?)?;
    Ok(ExitCode::SUCCESS)
}

fn walk_all(arguments: &Arguments) -> Result<ExitCode> {
    let program = std::env::current_exe()?;
    let walk = Walk {
        fault: arguments.fault.fault(),
        every: arguments.every,
        seed: arguments.seed,
        jobs: arguments.jobs,
        ledger: program.with_file_name("refit-crash-ledger"),
        agent: vec![program.display().to_string(), "agent".to_owned()],
    };
    let mut tallies = vec![];
    if !arguments.json {
        report::head();
    }
    for kind in KINDS {
        if !arguments.kind.is_empty() && !arguments.kind.iter().any(|name| name == kind.name) {
            continue;
        }
        let fault = arguments.fault.fault();
        if !kind.is_walked_with(fault) {
            report::say(&format!("{} is not walked with {fault:?}", kind.name));
            continue;
        }
        report::say(&format!("walking {}", kind.name));
        let tally = walk.kind(kind).unwrap_or_else(|error| Tally::failed(kind, &error));
        if !arguments.json {
            report::row(&tally);
        }
        tallies.push(tally);
    }
    anyhow::ensure!(
        !tallies.is_empty(),
        "there is no such kind; known are {:?}",
        KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>()
    );
    if arguments.json {
        report::json(&tallies)?;
    }
    Ok(if tallies.iter().all(|tally| tally.wrong.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
