//! Children that are measured: started, watched through `/proc`, ended by id.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process that ends when this value goes.
pub struct Measured {
    child: Child,
}

impl Measured {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("failed to start {command:?}"))?;
        Ok(Self { child })
    }

    /// CPU seconds that it used so far.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu(&self.child.id().to_string(), USED)
    }

    /// The same, with those of its children that ended and were waited for.
    pub fn cpu_seconds_with_children(&self) -> Result<f64> {
        Ok(self.cpu_seconds()? + cpu(&self.child.id().to_string(), USED_BY_CHILDREN)?)
    }

    /// Its resident memory in bytes.
    pub fn resident_bytes(&self) -> Result<f64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: f64 =
            statm.split_whitespace().nth(1).context("statm has no resident field")?.parse()?;
        Ok(pages * rustix::param::page_size() as f64)
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn peak_bytes(&self) -> Result<f64> {
        self.status_bytes("VmHWM:")
    }

    /// Its resident memory without the pages of files, of which those of its own program are the most: what it asked for itself, in bytes.
    pub fn own_bytes(&self) -> Result<f64> {
        self.status_bytes("RssAnon:")
    }

    fn status_bytes(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let found = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = found.with_context(|| format!("status has no {field}"))?;
        Ok(kib.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the measured process ended early: {status}"),
            None => Ok(()),
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // It may be gone already; there is nothing else to do about it here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds of all children, and theirs, that ended and were waited for.
pub fn children_cpu() -> Result<f64> {
    cpu("self", USED_BY_CHILDREN)
}

/// Fields 14 and 16 of proc(5), of which the first two stand before the closing bracket: in user mode; what follows each is the kernel's.
const USED: usize = 11;
const USED_BY_CHILDREN: usize = 13;

fn cpu(process: &str, field: usize) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let used = ticks(field).zip(ticks(field + 1)).context("stat has no CPU fields")?;
    Ok((used.0 + used.1) / rustix::param::clock_ticks_per_second() as f64)
}

/// The folder that this program stands in: where `refit` and `refit-agent` are too.
pub fn programs() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.parent().context("the program has no folder")?.to_path_buf())
}

/// Waits until `ready` says so.
pub async fn until<F: AsyncFnMut() -> bool>(
    what: &str,
    limit: Duration,
    mut ready: F,
) -> Result<()> {
    let started = Instant::now();
    while !ready().await {
        if started.elapsed() > limit {
            bail!("{what} did not happen within {} s", limit.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
