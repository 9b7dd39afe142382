//! Processes that should be gone: waited for, named, and ended only when a runbook says so.

use crate::{
    error::StepError,
    process::{self, Found, running_from},
    user::name_of,
};
use procfs::process::{FDTarget, Process};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How often the process table is read while something is awaited: often enough not to lengthen a downtime.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A killed process leaves at once unless the kernel is stuck.
const KILL_WAIT: Duration = Duration::from_secs(10);
/// Ten are enough to see what it is.
const NAMED_MAX: usize = 10;

/// Process id, command and user of each, for people.
pub(crate) fn list(found: &[Found]) -> String {
    let tell = |p: &Found| format!("pid {} `{}` of {}", p.pid, p.command, p.user);
    let named = found.iter().take(NAMED_MAX).map(tell).collect::<Vec<_>>().join(", ");
    match found.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Waits until nothing runs from `root`; what still does then.
pub(crate) fn await_gone(root: &Path, limit: Duration) -> Result<Vec<Found>, StepError> {
    await_gone_but(root, limit, |_| false)
}

/// As [`await_gone`], without the processes that `may` stay.
pub(crate) fn await_gone_but(
    root: &Path,
    limit: Duration,
    may: impl Fn(i32) -> bool,
) -> Result<Vec<Found>, StepError> {
    let deadline = Instant::now() + limit;
    loop {
        let mut found = running_from(root)?;
        found.retain(|process| !may(process.pid));
        if found.is_empty() || Instant::now() >= deadline {
            return Ok(found);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Asks what runs from `root` to end, kills what does not within `limit`; what is left even then.
pub(crate) fn end(root: &Path, signal: Signal, limit: Duration) -> Result<Vec<Found>, StepError> {
    let mut left = running_from(root)?;
    for (signal, limit) in [(signal, limit), (Signal::KILL, KILL_WAIT)] {
        for pid in left.iter().filter_map(|found| Pid::from_raw(found.pid)) {
            // It may be gone in this very moment.
            let _ = kill_process(pid, signal);
        }
        left = await_gone(root, limit)?;
        if left.is_empty() {
            break;
        }
    }
    Ok(left)
}

/// Processes that hold one of these sockets.
pub(crate) fn with_sockets(inodes: &BTreeSet<u64>) -> Result<Vec<Found>, StepError> {
    let holds = |process: &Process| {
        process.fd().is_ok_and(|files| {
            let mut targets = files.filter_map(Result::ok);
            targets.any(
                |file| matches!(file.target, FDTarget::Socket(inode) if inodes.contains(&inode)),
            )
        })
    };
    let tell = |process: Process| {
        let command = process.cmdline().map(|words| words.join(" ")).unwrap_or_default();
        let user = process.uid().map(name_of).unwrap_or_default();
        Found { pid: process.pid, command, user }
    };
    Ok(process::table()?.filter(holds).map(tell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, process::Command};

    #[test]
    fn what_does_not_heed_the_signal_is_killed_and_nothing_else_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let script = root.path().join("stay");
        fs::write(&script, "trap '' TERM; touch ready; while :; do sleep 0.05; done").unwrap();
        let mut child = Command::new("sh").arg(&script).current_dir(root.path()).spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !root.path().join("ready").exists() && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
        let seen = await_gone(root.path(), Duration::ZERO).unwrap();
        assert!(list(&seen).contains(&format!("pid {} `sh ", child.id())), "{}", list(&seen));
        let left = end(root.path(), Signal::TERM, Duration::from_millis(50)).unwrap();
        assert!(left.is_empty(), "{}", list(&left));
        assert!(!child.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
