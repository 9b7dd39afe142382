//! The command line, and what happens on ctrl-c.

use crate::{lab::Lab, process, talk, walk};
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};

/// Boots real Debian hosts and changes them with Refit, one scenario per shipped runbook.
#[derive(Debug, Parser)]
#[command(name = "refit-lab")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Folder for image, wheels, machines and logs [default: `lab` in the target folder]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Boots the hosts with the builds from before and leaves them running
    Up {
        /// Only these: web-postgresql, file-print, postgresql-pair, operating-system
        scenarios: Vec<String>,
    },
    /// Boots the hosts, does the whole job, checks it, takes everything away
    Run {
        /// Only these: web-postgresql, file-print, postgresql-pair, operating-system
        scenarios: Vec<String>,
        /// Folder with `refit` and `refit-agent` [default: that of this program]
        #[arg(long)]
        programs: Option<PathBuf>,
        /// Leaves hosts and server running to look at
        #[arg(long)]
        keep: bool,
    },
    /// Takes away what an earlier lab has left
    Down,
}

/// Does what the command line says.
pub async fn execute(arguments: Arguments) -> ExitCode {
    let mut job = tokio::task::spawn_blocking(move || work(&arguments));
    let outcome = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
            outcome = &mut job => outcome,
            _ = interrupt.recv() => { process::interrupt(); job.await }
            _ = terminate.recv() => { process::interrupt(); job.await }
        },
        _ => job.await,
    };
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            talk::say(&format!("FAILED: {error:#}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            talk::say(&format!("FAILED: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let beside = program.parent().context("this program lies in no folder")?;
    let target = beside.parent().context("the programs lie in no folder")?;
    let dir = arguments.dir.clone().unwrap_or_else(|| target.join("lab"));
    let names = match &arguments.verb {
        Verb::Up { scenarios } | Verb::Run { scenarios, .. } => scenarios.as_slice(),
        Verb::Down => &[],
    };
    let lab = Lab::open(&dir, names)?;
    match &arguments.verb {
        Verb::Up { .. } => {
            if let Err(error) = lab.up() {
                process::forget_interrupt();
                lab.down()?;
                return Err(error);
            }
            talk::say("the hosts are up; `refit-lab down` takes them away");
            Ok(ExitCode::SUCCESS)
        }
        Verb::Down => lab.down().map(|()| ExitCode::SUCCESS),
        Verb::Run { programs, keep, .. } => {
            walk::whole(&lab, programs.as_deref().unwrap_or(beside), *keep)
        }
    }
}
