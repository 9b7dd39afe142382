//! Programs: run to their end, or kept running with their output in a file.

use crate::DemoError;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// How long a program may take to end when it is asked to; then it is killed.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Last words of a program that are worth showing.
const WORDS_MAX: usize = 600;

/// A program that keeps running.
pub(crate) struct Running {
    child: Child,
}

/// The end of a text, at a character's border.
pub(crate) fn tail(text: &str) -> &str {
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(WORDS_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Runs a program to its end; its standard output is the answer.
pub(crate) async fn run<A: AsRef<OsStr>>(
    program: &Path,
    args: &[A],
    env: &[(&str, &str)],
) -> Result<String, DemoError> {
    let output = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(DemoError::io("run", program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let args: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
    Err(DemoError::Command {
        command: format!("{} {}", program.display(), args.join(" ")),
        status: output.status.to_string(),
        said: tail(&String::from_utf8_lossy(&output.stderr)).to_owned(),
    })
}

/// Starts a program in a process group of its own: Ctrl-C reaches the demo, which ends everything in order.
pub(crate) fn start<A: AsRef<OsStr>>(
    program: &Path,
    args: &[A],
    log: &Path,
) -> Result<Running, DemoError> {
    let file = fs::File::create(log).map_err(DemoError::io("write", log))?;
    let other = file.try_clone().map_err(DemoError::io("write", log))?;
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(other)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(DemoError::io("run", program))?;
    Ok(Running { child })
}

impl Running {
    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(Some(status)) => Some(status.to_string()),
            Ok(None) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Asks it to end; kills it when it does not.
    pub(crate) async fn end(mut self) {
        if let Some(pid) = self.child.id() {
            signal(pid, Signal::TERM);
        }
        if tokio::time::timeout(END_LIMIT, self.child.wait()).await.is_err() {
            // Its log says why it did not end; the demo has nothing to add.
            let _ = self.child.kill().await;
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    // A process that is gone already is what was wanted.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Processes whose program lies below `folder`: services that agents started and let go.
pub(crate) fn below(folder: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| {
            let path: PathBuf = entry.ok()?.path();
            let pid = path.file_name()?.to_str()?.parse().ok()?;
            fs::read_link(path.join("exe")).ok()?.starts_with(folder).then_some(pid)
        })
        .collect()
}

/// Ends all processes whose program lies below `folder`.
pub(crate) async fn end_below(folder: &Path) {
    for pid in below(folder) {
        signal(pid, Signal::TERM);
    }
    let gone = async {
        while !below(folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(END_LIMIT, gone).await.is_err() {
        for pid in below(folder) {
            signal(pid, Signal::KILL);
        }
    }
}
