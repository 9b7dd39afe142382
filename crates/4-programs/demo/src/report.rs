//! What came of it, host by host.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use refit_names::{BuildId, ByteSize, HostName};
use serde::Serialize;
use std::path::PathBuf;

/// All that the demo found.
#[derive(Debug, Clone, Serialize)]
pub struct DemoReport {
    /// By wave, then by risk.
    pub hosts: Vec<HostReport>,
    /// Writes that a client was told are stored and that are not.
    pub lost_writes: u64,
    /// From the first program to the last check.
    pub duration_ms: u64,
    /// PDF and signed JSON of every host, and the public key.
    pub certificates_dir: PathBuf,
    /// The console, with the auditor logged in.
    pub console_url: String,
    /// What is not as it has to be, a line each; empty when all is well.
    pub problems: Vec<String>,
}

/// What came of one host.
#[derive(Debug, Clone, Serialize)]
pub struct HostReport {
    /// Its name.
    pub name: HostName,
    /// Its wave, from 1.
    pub wave: u32,
    /// Its score in the plan.
    pub risk: u32,
    /// How it ended.
    pub outcome: HostOutcome,
    /// Build before.
    pub build_before: BuildId,
    /// Build after.
    pub build_after: BuildId,
    /// The longest time in which its client had no write acknowledged.
    pub downtime_ms: u64,
    /// What came over the network.
    pub bytes_fetched: u64,
    /// What the packs have.
    pub bytes_full: u64,
    /// Writes that its client was told are stored.
    pub acknowledged_writes: u64,
    /// Those of them that are not in its database, or otherwise than they were sent.
    pub lost_writes: u64,
    /// Its signed certificate.
    pub certificate: PathBuf,
}

/// How a host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostOutcome {
    /// On the target build.
    Succeeded,
    /// On the last good build.
    RolledBack,
    /// Neither; a defect.
    Unfinished,
}

/// What becomes of the programs after the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterReport {
    /// They end: nobody can look at the console any more.
    Ends,
    /// They stay until somebody ends them.
    Stays,
}

/// The table that the demo ends with.
#[must_use]
pub fn table(report: &DemoReport, after: AfterReport) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "host", "wave", "risk", "build", "outcome", "down", "fetched", "of", "writes", "lost",
    ]);
    for host in &report.hosts {
        let outcome = match host.outcome {
            HostOutcome::Succeeded => "succeeded",
            HostOutcome::RolledBack => "rolled back",
            HostOutcome::Unfinished => "UNFINISHED",
        };
        table.add_row([
            host.name.to_string(),
            host.wave.to_string(),
            host.risk.to_string(),
            format!("{} → {}", host.build_before, host.build_after),
            outcome.to_owned(),
            format!("{} ms", host.downtime_ms),
            ByteSize(host.bytes_fetched).to_string(),
            ByteSize(host.bytes_full).to_string(),
            host.acknowledged_writes.to_string(),
            host.lost_writes.to_string(),
        ]);
    }
    for column in [1, 2, 5, 6, 7, 8, 9] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let count = |outcome| report.hosts.iter().filter(|host| host.outcome == outcome).count();
    let writes: u64 = report.hosts.iter().map(|host| host.acknowledged_writes).sum();
    let mut lines = vec![
        table.to_string(),
        format!(
            "{} succeeded, {} rolled back in {:.1} s; {writes} writes acknowledged, {} lost",
            count(HostOutcome::Succeeded),
            count(HostOutcome::RolledBack),
            std::time::Duration::from_millis(report.duration_ms).as_secs_f64(),
            report.lost_writes,
        ),
        format!("certificates (PDF and signed JSON): {}", report.certificates_dir.display()),
        match after {
            AfterReport::Stays => format!("console: {}", report.console_url),
            AfterReport::Ends => {
                "console: ends with the demo; --keep leaves it running to look at".to_owned()
            }
        },
    ];
    lines.extend(report.problems.iter().map(|problem| format!("NOT WELL: {problem}")));
    if report.problems.is_empty() {
        lines.push(
            "checked: no write lost, no host mixed, every certificate verifies without the server"
                .to_owned(),
        );
    }
    lines.join("\n")
}
