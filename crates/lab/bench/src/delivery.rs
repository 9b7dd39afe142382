//! Delivering an updated tree: Refit against what others use, in bytes, publisher's and host's CPU.
//!
//! A real pair of neighbouring releases (Debian kernel packages, some 400 MB unpacked). Each side gets the old and the new tree with
//! the same file names; every outcome is compared with the new tree. CPU is that of whole process trees, from the kernel's account
//! of children that were waited for. Bytes of HTTP peers are those that the web server sent.

mod big;
mod host;
mod ours;
mod peers;
mod trees;
mod web;

pub use big::run as big;
pub use host::run as host;

use crate::child::children_cpu;
use crate::row::{Better, Row, median};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The benchmark's name in rows.
const BENCH: &str = "delivery";

/// What one way of delivering costs.
#[derive(Debug, Clone)]
struct Cost {
    name: String,
    bytes: f64,
    /// CPU seconds to make what is sent; none when that happens while it is sent.
    publisher: Option<f64>,
    /// Of these, what is only for hosts on the old release.
    delta: Option<f64>,
    /// CPU seconds to make the new tree of it; none when it was not measured apart.
    host: Option<f64>,
}

/// The case. `pair` is `near` (two neighbouring releases), `far` (the oldest and the newest that the mirror has) or `OLD:NEW`, two folders.
pub async fn run(pair: &str) -> Result<Vec<Row>> {
    trees::need_programs()?;
    let dir = tempfile::tempdir_in(trees::ground()?)?;
    let pair = trees::prepare(pair, dir.path())?;
    let web = web::Web::start(dir.path())?;
    say(&format!("{}: {:.1} MB in {} files", pair.name, pair.bytes as f64 / 1e6, pair.files));
    let mut peers = Vec::new();
    for peer in peers::ALL {
        for cost in peer(&pair, dir.path(), &web).context("a peer failed")? {
            tell(&cost);
            peers.push(cost);
        }
    }
    let mut rounds = [Vec::new(), Vec::new()];
    let ours = ours::measure(&pair, dir.path(), &web, |round| {
        let costs = peers::xdelta3_host(&pair, dir.path(), &round.to_string())?;
        rounds.iter_mut().zip(costs).for_each(|(rounds, cost)| rounds.push(cost));
        Ok(())
    })?;
    for (name, rounds) in peers::XDELTA3.iter().zip(&rounds) {
        for peer in peers.iter_mut().filter(|peer| peer.name == *name) {
            peer.host = Some(median(rounds));
            tell(peer);
        }
    }
    tell(&ours);
    rows(&pair.name, &ours, &peers)
}

fn rows(pair: &str, ours: &Cost, peers: &[Cost]) -> Result<Vec<Row>> {
    let row = |case: &str, ours: f64, peer: f64, name: &str, unit, goal| {
        let case = (BENCH, case);
        Row::compare(case, Better::Less, (&[ours], &[peer]), name, unit, goal)
    };
    let best = peers
        .iter()
        .min_by(|a, b| a.bytes.total_cmp(&b.bytes))
        .context("there is no peer to compare with")?;
    let mut rows = vec![row(
        &format!("{pair}: bytes, best peer"),
        ours.bytes / 1e6,
        best.bytes / 1e6,
        &best.name,
        "MB sent",
        1.0,
    )];
    for peer in peers {
        let (name, mb) = (&peer.name, peer.bytes / 1e6);
        rows.push(row("bytes", ours.bytes / 1e6, mb, name, "MB sent", 1.0));
    }
    // The goals of the issue: a tenth of ostree's making, less than xdelta3's applying.
    for peer in peers.iter().filter(|peer| peer.name.starts_with("ostree")) {
        if let Some((ours, theirs)) = ours.delta.zip(peer.delta) {
            rows.push(row("making the deltas", ours, theirs, &peer.name, "publisher CPU s", 0.1));
        }
        if let Some((ours, theirs)) = ours.publisher.zip(peer.publisher) {
            let name = format!("{}, and commit", peer.name);
            rows.push(row("making the whole release", ours, theirs, &name, "publisher CPU s", 0.1));
        }
    }
    for peer in peers.iter().filter(|peer| peer.name.starts_with("xdelta3")) {
        if let Some((ours, theirs)) = ours.host.zip(peer.host) {
            rows.push(row("applying it", ours, theirs, &peer.name, "host CPU s", 1.0));
        }
    }
    Ok(rows)
}

#[expect(clippy::print_stderr, reason = "the benchmark's talk")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn tell(cost: &Cost) {
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    say(&format!(
        "{:<44} {:>8.1} MB  publisher {:>6} s (deltas {:>6} s)  host {:>6} s",
        cost.name,
        cost.bytes / 1e6,
        seconds(cost.publisher),
        seconds(cost.delta),
        seconds(cost.host)
    ));
}

/// Runs it to its end; the CPU seconds of its whole tree.
fn timed(command: &mut Command) -> Result<f64> {
    let before = children_cpu()?;
    output(command)?;
    Ok(children_cpu()? - before)
}

/// Runs it to its end; what it wrote to standard output.
fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {command:?}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {errors}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A line of shell with its words as arguments `$1`, `$2`, …
fn shell(line: &str, words: &[&Path]) -> Command {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", line, "bash"]).args(words);
    command
}

/// Proves that a peer or we made exactly the new tree.
fn same(made: &Path, new: &Path) -> Result<()> {
    output(Command::new("diff").args(["-r", "--no-dereference", "-q"]).arg(made).arg(new))
        .map(|_| ())
        .context("what was made differs from the new tree")
}

fn length(path: &Path) -> Result<f64> {
    Ok(std::fs::metadata(path).with_context(|| path.display().to_string())?.len() as f64)
}
