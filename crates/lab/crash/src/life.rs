//! Lives of the agent: from its start until it ends by itself, asks for a boot, or is killed.

use crate::{agent::REBOOT, host::Host, trace};
use anyhow::{Context as _, Result, bail};
use refit_journal::OrderOutcome;
use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// One life of the agent; on a loaded machine an install takes some seconds.
const LIFE_MAX: Duration = Duration::from_secs(120);
/// Lives after a kill: a restart, two boots, and some more would already be a defect that the outcome shows.
const LIVES_MAX: u32 = 8;

/// How one life ended.
pub(crate) enum Life {
    Finished,
    Reboots,
    Killed,
    Failed(String),
}

/// In memory where that is possible: not the disk's patience is under test, but order.
pub(crate) fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

pub(crate) fn plain(agent: &[String], folder: &Path) -> Command {
    let mut command = Command::new(&agent[0]);
    command.args(&agent[1..]).arg(folder).stdin(std::process::Stdio::null());
    command
}

/// Runs the agent once.
pub(crate) fn live(host: &Host, command: Command) -> Result<Life> {
    live_for(host, command, LIFE_MAX)
}

/// Runs the agent once, and kills it when it does not end within `limit`.
pub(crate) fn live_for(host: &Host, mut command: Command, limit: Duration) -> Result<Life> {
    let words = host.folder.join("words");
    let mut child = trace::start(&mut command, &words)?;
    let follows = command.get_args().any(|word| word == "-f");
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A tracer that follows children waits for the service, too.
        if follows && trace::was_killed(&host.folder.join("killed")) {
            child.kill()?;
            child.wait()?;
            return Ok(Life::Killed);
        }
        if follows && host.folder.join("outcome.json").exists() {
            std::thread::sleep(Duration::from_millis(200));
            host.kill_everything()?;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(Life::Failed("it did not end".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Ok(match (status.code(), status.signal()) {
        (Some(0), _) => Life::Finished,
        (Some(code), _) if code == i32::from(REBOOT) => Life::Reboots,
        (_, Some(9)) => Life::Killed,
        _ if follows && host.folder.join("outcome.json").exists() => Life::Finished,
        _ => Life::Failed(format!("{status}")),
    })
}

/// What an agent does that is started again whenever it ends.
pub(crate) fn run_to_end(host: &Host, agent: &[String]) -> Result<()> {
    let mut last = String::new();
    for _ in 0..LIVES_MAX {
        match live(host, plain(agent, &host.folder))? {
            Life::Finished => return Ok(()),
            Life::Reboots => boot(host)?,
            Life::Failed(how) => last = how,
            Life::Killed => {}
        }
    }
    bail!("{LIVES_MAX} lives were not enough, {last}: {}", words(&host.folder))
}

/// Another boot: what ran ends.
pub(crate) fn boot(host: &Host) -> Result<()> {
    host.kill_everything()?;
    let path = host.folder.join("boot");
    let number: u32 = fs::read_to_string(&path)?.trim().parse()?;
    Ok(fs::write(path, (number + 1).to_string())?)
}

pub(crate) fn outcome_of(folder: &Path) -> Result<OrderOutcome> {
    let text = fs::read(folder.join("outcome.json")).context("no outcome")?;
    Ok(serde_json::from_slice(&text)?)
}

pub(crate) fn build_of(folder: &Path) -> Result<String> {
    match outcome_of(folder)? {
        OrderOutcome::Succeeded { build } | OrderOutcome::RolledBack { build, .. } => {
            Ok(build.to_string())
        }
        OrderOutcome::NeedsPerson { cause } => {
            bail!("a person is called: {cause}")
        }
    }
}

pub(crate) fn words(folder: &Path) -> String {
    fs::read_to_string(folder.join("words")).unwrap_or_default()
}
