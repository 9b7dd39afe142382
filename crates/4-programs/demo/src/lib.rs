//! The main job on one machine, with real parts, and its own check of what came of it.
//!
//! Here: a repository, a control server, N agents with services and clients, one rollout by the people who have to act, and the check
//! that nothing was lost. Deliberately not here: anything of the server or the agent (they run as programs), printing (the command
//! line gets lines and a report).
//! Called by: the command line.
//!
//! Invariants:
//! 1. Nothing is pretended: every part is the program that users run, started with the arguments that users type.
//! 2. Everything lies in one folder, listens on loopback, and ends with the demo, by process id.
//! 3. The check asks the hosts' own files and databases, not the server.

mod check;
mod children;
mod clients;
mod content;
mod error;
mod ground;
mod hosts;
mod load;
mod people;
mod progress;
mod proof;
mod report;
mod walk;

pub use error::DemoError;
pub use ground::Ground;
pub use load::Load;
pub use progress::Display;
pub use report::{AfterReport, DemoReport, HostOutcome, HostReport, table};

use std::{path::PathBuf, sync::Arc, time::Instant};

/// Says a line to the person.
pub type Talk = Arc<dyn Fn(&str) + Send + Sync>;

/// What the demo is asked for.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// How many hosts.
    pub hosts: u32,
    /// Size of what is the same in every release (fonts, pictures, maps), in MiB.
    pub release_mib: u32,
    /// Whether one host's data makes the migration fail.
    pub failure: Failure,
    /// What a benchmark asks for beyond that.
    pub load: Load,
    /// The folder; none: a new one among the temporary files.
    pub dir: Option<PathBuf>,
    /// The program `refit`.
    pub refit: PathBuf,
    /// The program `refit-agent`.
    pub agent: PathBuf,
    /// The folder with the builds of the ledger.
    pub ledgers: PathBuf,
    /// Bars or lines.
    pub display: Display,
}

/// Whether something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// One host has two accounts that differ only in case: the migration to build 1200 refuses them.
    OneHost,
    /// All goes well.
    None,
}

/// Runs the main job. Everything still runs when it returns: call [`Ground::end`], also after an error.
///
/// # Errors
/// [`DemoError`] when a part could not be started or the rollout did not come to its end. That something was lost is no error here
/// but stands in the report.
pub async fn run(
    options: &DemoOptions,
    ground: &mut Ground,
    talk: &Talk,
) -> Result<DemoReport, DemoError> {
    let began = Instant::now();
    let specs = hosts::specs(options.hosts, options.failure)?;
    talk("building three releases and two packs, publishing them in a signed repository");
    let releases = content::build(ground, options).await?;
    talk("starting the control server");
    let people = people::start_server(ground, options).await?;
    talk(&format!("console: {}", people.console_link));
    talk(&format!("enrolling {} hosts with build 1000 over mutual TLS", specs.len()));
    let hosts = hosts::start(ground, options, &people, &releases, specs).await?;
    talk("a client writes to each host without pause from now on");
    let clients = clients::Clients::start(&hosts).await?;
    let walked = walk::walk(&people, &hosts, &clients, options.display, talk).await?;
    let written = clients.stop().await;
    talk("checking every host's files and database, and every certificate without the server");
    let certificates = proof::collect(ground, &people, &hosts).await?;
    let mut report = check::check(&releases, &hosts, &written, &walked, &certificates);
    report.certificates_dir = ground.certificates();
    report.console_url = people.console_link.clone();
    report.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}
