//! What an upgrade costs its host: downtime with much data, the second backup, processor time for each step.
//!
//! Here: the three cases of issue 4. Each side does the same to the same data; what only one side does is that side's loss.

mod backup;
mod downtime;
mod fleet;
mod steps;

use crate::child::children_cpu;
use crate::row::Row;
use anyhow::{Context, Result, bail};
use refit_testkit::postgres::Postgres;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// The product: as many files as a middling document store has.
const FILES: u32 = 20_000;
const FILES_MIB: u32 = 1_024;
/// `pgbench`'s measure for 200 MB.
const DATABASE_SCALE: &str = "13";

/// What the caller may make smaller.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Hosts of the third case.
    pub hosts: u32,
    /// Hosts of its peer over ssh, which takes longest by far.
    pub ssh_hosts: u32,
}

/// All three.
pub async fn run(size: Size) -> Result<Vec<Row>> {
    let dir = tempfile::Builder::new().prefix("refit-bench-host-").tempdir()?;
    let server = Postgres::start()?.context("PostgreSQL is missing")?;
    say("downtime: 1 GB in 20,000 files, 200 MB of PostgreSQL");
    let (mut rows, product) = downtime::run(dir.path(), &server).await?;
    tell(&rows);
    say("backups of that product");
    let backups = backup::run(dir.path(), &product)?;
    tell(&backups);
    rows.extend(backups);
    std::fs::remove_dir_all(&product.files)?;
    rows.extend(steps(size)?);
    Ok(rows)
}

/// The third case alone.
pub fn steps(size: Size) -> Result<Vec<Row>> {
    let dir = tempfile::Builder::new().prefix("refit-bench-steps-").tempdir()?;
    say(&format!("six steps on {} hosts", size.hosts));
    steps::run(dir.path(), size)
}

/// What was upgraded, and is saved after that.
struct Product {
    files: std::path::PathBuf,
    url: String,
}

/// `refit demo` with `arguments`; its report.
fn demo(ground: &Path, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(crate::child::programs()?.join("refit"));
    command.args(["demo", "--no-fail", "--json", "--dir"]).arg(ground).args(arguments);
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("the demo ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs it to its end; what it wrote.
fn done(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("failed to start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {said} {errors}", output.status);
    }
    Ok(said)
}

/// What was found stays found, whatever fails later.
fn tell(rows: &[Row]) {
    for Row { case, ours, peer, unit, ratio, .. } in rows {
        say(&format!("{case}: {ours:.1} against {peer:.1} {unit}, ratio {ratio:.4}"));
    }
}

#[expect(clippy::print_stderr, reason = "the benchmark's talk")]
fn say(text: &str) {
    eprintln!("{text}");
}
