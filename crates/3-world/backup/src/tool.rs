//! Runs the programs of a database, with a limit, streaming what they produce.

use crate::{error::BackupError, files::pour_into, meter::Meter};
use refit_names::{ByteSize, Digest};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The end of what a program said is kept: its last error stands there.
const STDERR_BYTES_MAX: usize = 4 << 10;

/// A user by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Where a program is, by the agent's `PATH`.
#[must_use]
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Refuses when one of `names` is not installed: finding out at restore that there is no way back would be too late.
pub(crate) fn need(names: &[&str]) -> Result<(), BackupError> {
    match names.iter().find(|name| find_tool(name).is_none()) {
        Some(missing) => Err(BackupError::ToolMissing { tool: (*missing).to_owned() }),
        None => Ok(()),
    }
}

/// One call of a program.
pub(crate) struct Tool<'a> {
    pub(crate) name: &'static str,
    pub(crate) database: &'a str,
    pub(crate) limit: Duration,
    pub(crate) run_as: Option<RunAs>,
}

impl Tool<'_> {
    /// The command, looked up, with a clean environment.
    pub(crate) fn command(&self) -> Result<Command, BackupError> {
        let missing = || BackupError::ToolMissing { tool: self.name.to_owned() };
        let mut command = Command::new(find_tool(self.name).ok_or_else(missing)?);
        command.env_clear().env("LC_ALL", "C").stdin(Stdio::null()).process_group(0);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Some(user) = self.run_as {
            command.uid(user.uid).gid(user.gid);
        }
        Ok(command)
    }

    /// Runs it; `take` gets its standard output to the end.
    pub(crate) fn run<T>(
        &self,
        command: &mut Command,
        take: impl FnOnce(&mut dyn Read) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let path = PathBuf::from(self.name);
        let mut child = command.spawn().map_err(BackupError::io("start", &path))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (ended, timer) = mpsc::channel::<()>();
        let limit = self.limit;
        let watch = thread::spawn(move || {
            let late = timer.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if let (true, Some(group)) = (late, group) {
                // It may have ended in this very moment; then there is nobody to end.
                let _ = kill_process_group(group, Signal::KILL);
            }
            late
        });
        let talk = child.stderr.take().map(|stderr| thread::spawn(move || last_words(stderr)));
        let taken = match child.stdout.take() {
            Some(mut stdout) => take(&mut stdout),
            None => take(&mut std::io::empty()),
        };
        let status = self.wait(&mut child, &path);
        drop(ended);
        let late = watch.join().unwrap_or(false);
        let stderr = talk.and_then(|talk| talk.join().ok()).unwrap_or_default();
        let database = self.database.to_owned();
        if late {
            let limit_ms = self.limit.as_millis();
            return Err(BackupError::TimedOut { tool: self.name, database, limit_ms });
        }
        let status = status?;
        // When we stop reading, at a full disk say, the program ends too: that is not the cause.
        let taken = taken?;
        if !status.success() {
            let status = status.to_string();
            return Err(BackupError::Tool { tool: self.name, database, status, stderr });
        }
        Ok(taken)
    }

    /// Runs it and keeps what it produces in `copy`; sealed only when what lies there then is what came from it. The caller makes it durable.
    pub(crate) fn dump(
        &self,
        command: &mut Command,
        copy: &Path,
        meter: &Meter,
    ) -> Result<(ByteSize, Digest), BackupError> {
        self.run(command, |stream| pour_into(stream, copy, meter))
    }

    fn wait(
        &self,
        child: &mut Child,
        path: &Path,
    ) -> Result<std::process::ExitStatus, BackupError> {
        child.wait().map_err(BackupError::io("wait for", path))
    }
}

/// The tables of a dump, when the scratch database counted as many.
pub(crate) fn all_tables(dump: &Path, expected: u64, counted: &str) -> Result<u64, BackupError> {
    if counted.trim().parse() == Ok(expected) {
        return Ok(expected);
    }
    let (expected, found) = (format!("{expected} tables"), format!("{counted:?} of them restored"));
    Err(BackupError::Damaged { path: dump.to_owned(), expected, found })
}

fn last_words(mut stderr: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > STDERR_BYTES_MAX {
            kept.drain(..kept.len() - STDERR_BYTES_MAX);
        }
    }
    String::from_utf8_lossy(&kept).trim().replace('\n', " | ")
}
