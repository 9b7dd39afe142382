//! Downtime of an upgrade with backup, as a client sees it: Refit against the shell script that people write.
//!
//! Both upgrade the same ledger from 1000 over 1100 to 1200 while one client writes; the longest time between two acknowledged
//! writes counts.

use crate::ROUNDS;
use crate::child::{programs, until};
use crate::row::{Better, Row};
use anyhow::{Context, Result, bail};
use refit_testkit::free_port;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("../scripts/upgrade.sh");
/// What is the same in every release, in MiB: a small server product.
const RELEASE_MIB: &str = "64";
/// As the demo's client does it.
const PACE: Duration = Duration::from_millis(40);
const RETRY: Duration = Duration::from_millis(10);

/// The case.
pub async fn run() -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let ground = dir.path().join(format!("ours-{round}"));
        ours.push(demo(&ground)?);
        let trees = ground.join("packs");
        theirs.push(script(&trees, &dir.path().join(format!("script-{round}")), None).await?);
        std::fs::remove_dir_all(&ground)?;
    }
    Ok(vec![Row::compare(
        ("downtime", "ledger 1000 → 1200 with backup"),
        Better::Less,
        (&ours, &theirs),
        "sh: stop, tar and dump, unpack, migrate, start",
        "ms without a write",
        0.1,
    )])
}

/// One host, no failure; what its client saw.
fn demo(ground: &Path) -> Result<f64> {
    let output = Command::new(programs()?.join("refit"))
        .args([
            "demo",
            "--hosts",
            "1",
            "--no-fail",
            "--json",
            "--release-mib",
            RELEASE_MIB,
            "--dir",
        ])
        .arg(ground)
        .output()?;
    if !output.status.success() {
        bail!("the demo ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    report["hosts"][0]["downtime_ms"].as_f64().context("the demo's report has no downtime")
}

/// What the script has to save beyond the ledger itself.
pub(crate) struct Heavy<'a> {
    /// A folder of files, moved into the product's data.
    pub(crate) files: &'a Path,
    /// A PostgreSQL database.
    pub(crate) url: &'a str,
}

/// The same ledger under the script.
pub(crate) async fn script(trees: &Path, ground: &Path, heavy: Option<&Heavy<'_>>) -> Result<f64> {
    let (root, backups) = (ground.join("root"), ground.join("backups"));
    std::fs::create_dir_all(root.join("data"))?;
    std::fs::create_dir_all(root.join("releases"))?;
    std::fs::create_dir_all(&backups)?;
    if let Some(heavy) = heavy {
        std::fs::rename(heavy.files, root.join("data/files"))?;
    }
    let payload = |build: &str| trees.join(build).join("payload");
    sh(Command::new("cp").arg("-a").arg(payload("1000")).arg(root.join("releases/1000")))?;
    let mut archives = Vec::new();
    for build in ["1100", "1200"] {
        let archive = ground.join(format!("{build}.tar.gz"));
        sh(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(payload(build)).arg("."))?;
        archives.push((build, archive));
    }
    symlink("releases/1000", root.join("current"))?;
    let service = Service { root, port: free_port() };
    service.start()?;
    let outcome = upgrade(&service, &archives, (&backups, heavy), ground).await;
    service.stop()?;
    outcome
}

async fn upgrade(
    service: &Service,
    archives: &[(&str, PathBuf)],
    (backups, heavy): (&Path, Option<&Heavy<'_>>),
    ground: &Path,
) -> Result<f64> {
    let done = Arc::new(AtomicBool::new(false));
    let url = format!("http://127.0.0.1:{}", service.port);
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    until("the ledger's first answer", Duration::from_secs(20), async || {
        http.get(format!("{url}/health")).send().await.is_ok()
    })
    .await?;
    let client = tokio::spawn(write(http, url, Arc::clone(&done)));
    let script = ground.join("upgrade.sh");
    std::fs::write(&script, SCRIPT)?;
    for (build, archive) in archives {
        let mut command = tokio::process::Command::new("sh");
        let port = service.port.to_string();
        command.arg(&script).arg(&service.root).arg(build).arg(archive).arg(port).arg(backups);
        command.args(heavy.map(|heavy| heavy.url));
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().await?;
        if !status.success() {
            bail!("the script ended with {status} for build {build}");
        }
        // Some writes between the two, as in the demo.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    done.store(true, Ordering::Release);
    Ok(client.await??.as_secs_f64() * 1000.0)
}

/// Writes until it is told to stop; the longest time between two acknowledgements.
async fn write(http: reqwest::Client, url: String, done: Arc<AtomicBool>) -> Result<Duration> {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for number in 0_u64.. {
        let body =
            json!({ "id": format!("bench-{number}"), "account": "till", "amount": 1 }).to_string();
        loop {
            let answer = http.post(format!("{url}/entries")).body(body.clone()).send().await;
            if answer.is_ok_and(|answer| answer.status() == 201) {
                break;
            }
            tokio::time::sleep(RETRY).await;
        }
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if done.load(Ordering::Acquire) {
            break;
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(longest)
}

/// The ledger as the script knows it: a process whose id stands in a file.
struct Service {
    root: PathBuf,
    port: u16,
}

impl Service {
    fn start(&self) -> Result<()> {
        let child = Command::new(self.root.join("current/bin/ledger"))
            .arg("serve")
            .env("REFIT_ROOT", &self.root)
            .env("REFIT_PARAM_PORT", self.port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::fs::write(self.root.join("service.pid"), child.id().to_string())?;
        // Somebody has to take note of its end, or the script waits for a process that is gone.
        std::thread::spawn(move || child.wait_with_output());
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        let pid = std::fs::read_to_string(self.root.join("service.pid"))?;
        sh(Command::new("kill").arg(pid.trim()))
    }
}

fn sh(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
