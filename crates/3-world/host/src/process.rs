//! Processes of the host: which run from a folder, and which carry a mark.

use crate::{error::StepError, user::name_of};
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The environment variable that marks what a run of an order starts.
pub(crate) const ORDER_MARK: &str = "REFIT_ORDER";

/// How often the process table is read while something is awaited: often enough not to lengthen a downtime.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A killed process leaves at once unless the kernel is stuck.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// A process that runs from a product's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub pid: i32,
    /// Its command line.
    pub command: String,
    /// Who runs it.
    pub user: String,
}

pub(crate) fn table() -> Result<impl Iterator<Item = Process>, StepError> {
    let failed = |error: procfs::ProcError| {
        StepError::io("read", Path::new("/proc"))(io::Error::other(error.to_string()))
    };
    // A process that ends while the table is read is no longer of interest.
    Ok(all_processes().map_err(failed)?.filter_map(Result::ok))
}

pub(crate) fn alive(process: &Process) -> bool {
    process.stat().is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Processes whose program or working folder lies below `root`, without this one.
///
/// # Errors
/// [`StepError::Io`] when the process table cannot be read.
pub fn running_from(root: &Path) -> Result<Vec<Found>, StepError> {
    // The kernel tells resolved paths.
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let below =
        |path: Result<PathBuf, procfs::ProcError>| path.is_ok_and(|path| path.starts_with(&real));
    let own = std::process::id();
    let found = table()?.filter(|process| {
        u32::try_from(process.pid) != Ok(own)
            && (below(process.exe()) || below(process.cwd()))
            && alive(process)
    });
    Ok(found.map(|process| tell(&process)).collect())
}

fn tell(process: &Process) -> Found {
    let command = process.cmdline().map(|words| words.join(" ")).unwrap_or_default();
    let user = process.uid().map(name_of).unwrap_or_default();
    Found { pid: process.pid, command, user }
}

/// The first ten, for people: they are enough to see what it is.
pub(crate) fn list(found: &[Found]) -> String {
    let tell = |p: &Found| format!("pid {} `{}` of {}", p.pid, p.command, p.user);
    found.iter().take(10).map(tell).collect::<Vec<_>>().join(", ")
}

/// Processes whose environment has `name` with `value`.
pub(crate) fn marked_by(name: &str, value: &str) -> Result<Vec<Found>, StepError> {
    let ids = marked(name, value)?;
    Ok(ids.into_iter().filter_map(|pid| Some(tell(&Process::new(pid).ok()?))).collect())
}

/// Whether a process's environment has `name` with `value`. Every command is followed by this look at all processes of the host: an
/// environment is read once and not taken apart.
pub(crate) fn carries(pid: i32, name: &str, value: &str) -> bool {
    // A process that ends meanwhile, or that another user runs, has nothing to tell.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let is_it = |entry: &[u8]| {
        let rest = entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        rest == Some(value.as_bytes())
    };
    environment.split(|byte| *byte == 0).any(is_it)
}

/// Process ids whose environment has `name` with `value`, group leaders first.
pub(crate) fn marked(name: &str, value: &str) -> Result<Vec<i32>, StepError> {
    let proc = Path::new("/proc");
    let entries = fs::read_dir(proc).map_err(StepError::io("read", proc))?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = ids.filter(|pid| carries(*pid, name, value));
    let found = found.filter_map(|pid| Process::new(pid).ok()).filter(alive);
    let leads = |process: &Process| process.stat().is_ok_and(|stat| stat.pgrp == process.pid);
    let (leaders, others): (Vec<_>, Vec<_>) = found.partition(leads);
    Ok(leaders.iter().chain(&others).map(|process| process.pid).collect())
}

/// What identifies a process beyond its id, which is used again: when it began, in ticks since boot.
pub(crate) fn began(pid: i32) -> Option<u64> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

/// Ends what an earlier run of the agent started for this order and left running when it died: a migration that nobody
/// waits for any more must not write into what is restored.
pub(crate) fn end_marked(name: &str, value: &str) -> Result<usize, StepError> {
    let left = marked(name, value)?;
    let deadline = Instant::now() + KILL_WAIT;
    let mut now = left.clone();
    while !now.is_empty() {
        for pid in now.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // Each command leads a group of its own; a member that left it is killed by itself.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if Instant::now() > deadline {
            let list = format!("process ids {now:?}");
            let (count, root) = (now.len(), PathBuf::from(value));
            return Err(StepError::ProcessesLeft { count, root, list });
        }
        thread::sleep(LOOK_EVERY);
        now = marked(name, value)?;
    }
    Ok(left.len())
}
