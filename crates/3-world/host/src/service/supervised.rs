//! A detached process that outlives the agent and is found again by process id and start time, or by its mark.

use super::Service;
use crate::{
    command::{Run, last_lines},
    error::StepError,
    process,
};
use refit_inventory::ServiceState;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// The variable that marks the process and its children, so that one whose number was never written down is found too.
const SERVICE_MARK: &str = "REFIT_SERVICE";
/// How often a leaving process is looked at: it is part of the downtime.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A process that ends by itself within this time after its start did not start.
const EARLY_END: Duration = Duration::from_millis(50);
/// Of a stop's time limit the process has half to leave by itself, at most this long.
const TERM_GRACE_MAX: Duration = Duration::from_secs(30);

/// What of a log can be its last words.
const TAIL_BYTES_MAX: u64 = 16 << 10;

pub(super) struct Supervised {
    name: String,
    run: Run,
    folder: PathBuf,
    mark: String,
}

/// The process that was started last.
#[derive(Serialize, Deserialize)]
struct Started {
    pid: i32,
    began: u64,
    /// Where its own words begin in the log.
    #[serde(default)]
    log_from: u64,
}

impl Supervised {
    pub(super) fn new(name: String, mut run: Run, folder: PathBuf) -> Self {
        let real = folder.parent().and_then(|state| state.canonicalize().ok());
        let state = real.unwrap_or_else(|| folder.clone());
        let mark = format!("{}#{name}", state.display());
        run.environment.insert(SERVICE_MARK.to_owned(), mark.clone());
        Self { name, run, folder, mark }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    /// The process, if it runs.
    fn find(&self) -> Result<Option<i32>, StepError> {
        if let Some(started) = self.known()
            && process::began(started.pid) == Some(started.began)
        {
            return Ok(Some(started.pid));
        }
        Ok(process::marked(SERVICE_MARK, &self.mark)?.first().copied())
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// The process that was written down last, whether or not it still runs.
    fn known(&self) -> Option<Started> {
        fs::read(self.file()).ok().and_then(|text| serde_json::from_slice(&text).ok())
    }

    fn write_down(&self, pid: i32, log_from: u64) -> Result<(), StepError> {
        let Some(began) = process::began(pid) else { return Ok(()) };
        let (path, fresh) = (self.file(), self.folder.join(format!("{}.json.new", self.name)));
        let text = serde_json::to_vec(&Started { pid, began, log_from })?;
        fs::write(&fresh, text).map_err(StepError::io("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(StepError::io("write", &path))
    }

    fn failed(&self, expected: &'static str, found: String) -> StepError {
        StepError::Service { service: self.name.clone(), expected, found }
    }
}

impl Service for Supervised {
    fn owns(&self, pid: i32) -> Option<bool> {
        Some(process::carries(pid, SERVICE_MARK, &self.mark))
    }

    fn state(&self) -> Result<ServiceState, StepError> {
        Ok(if self.find()?.is_some() { ServiceState::Running } else { ServiceState::Stopped })
    }

    fn start(&self, _limit: Duration) -> Result<(), StepError> {
        if let Some(pid) = self.find()? {
            let log_from = self.known().map_or(0, |known| known.log_from);
            return self.write_down(pid, log_from);
        }
        fs::create_dir_all(&self.folder).map_err(StepError::io("make folder", &self.folder))?;
        let log = self.log();
        let open = File::options().create(true).append(true).open(&log);
        let output = open.map_err(StepError::io("open", &log))?;
        let log_from = output.metadata().map_err(StepError::io("look at", &log))?.len();
        let error = output.try_clone().map_err(StepError::io("open", &log))?;
        let mut command = self.run.command()?;
        command.stdout(Stdio::from(output)).stderr(Stdio::from(error));
        let mut child = self.run.spawn(&mut command)?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        self.write_down(pid, log_from)?;
        let begun = Instant::now();
        while begun.elapsed() < EARLY_END {
            if let Some(status) = child.try_wait().map_err(StepError::io("wait for", &log))? {
                let said = tail_of(&log, log_from).map(|said| format!("; it said: {said}"));
                let said = said.unwrap_or_default();
                let found = format!("ended with {status} at once, see {}{said}", log.display());
                return Err(self.failed("running", found));
            }
            thread::sleep(LOOK_EVERY);
        }
        // While the agent lives it is the parent: without this an ended service would stay a zombie.
        thread::spawn(move || child.wait());
        Ok(())
    }

    fn stop(&self, limit: Duration) -> Result<(), StepError> {
        let begun = Instant::now();
        let grace = (limit / 2).min(TERM_GRACE_MAX);
        let mut signal = None;
        while let Some(pid) = self.find()?.and_then(Pid::from_raw) {
            let wanted = if begun.elapsed() < grace { Signal::TERM } else { Signal::KILL };
            if signal != Some(wanted) {
                signal = Some(wanted);
                // It leads a group; one that is only marked may not.
                if kill_process_group(pid, wanted).is_err() {
                    let _ = rustix::process::kill_process(pid, wanted);
                }
            }
            if begun.elapsed() > limit {
                return Err(self.failed("stopped", format!("running as process {pid:?}")));
            }
            while process::began(pid.as_raw_nonzero().get()).is_some()
                && begun.elapsed() < grace.min(limit)
            {
                thread::sleep(LOOK_EVERY);
            }
            thread::sleep(LOOK_EVERY);
            // Another process of the group gets its own signal.
            if process::began(pid.as_raw_nonzero().get()).is_none() {
                signal = None;
            }
        }
        Ok(())
    }

    fn last_words(&self) -> Option<String> {
        tail_of(&self.log(), self.known().map_or(0, |known| known.log_from))
    }

    fn units(&self) -> &[String] {
        &[]
    }
}

/// The end of a log behind `from`, in one line; none when nothing stands there.
fn tail_of(log: &Path, from: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    let from = from.max(length.saturating_sub(TAIL_BYTES_MAX));
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim()).filter(|text| !text.is_empty()).map(last_lines)
}
