//! Downtime with much data: Refit against the shell script that people write, which saves all of it while nothing runs.

use super::{DATABASE_SCALE, FILES, FILES_MIB, Product, demo, done};
use crate::downtime::{Heavy, script};
use crate::row::{Better, Row};
use anyhow::{Context, Result};
use refit_testkit::postgres::Postgres;
use std::path::Path;
use std::process::Command;

/// The goal of issue 4.
const GOAL: f64 = 0.1;
/// What is the same in every release, in MiB: a small server product.
const RELEASE_MIB: &str = "64";

/// One round: each side upgrades twice, and the longest gap counts.
pub(super) async fn run(dir: &Path, server: &Postgres) -> Result<(Vec<Row>, Product)> {
    let url = server.database("main")?;
    done(Command::new("pgbench").args(["-i", "-q", "-s", DATABASE_SCALE, &url]))?;
    let ground = dir.join("ours");
    let (files, mib) = (FILES.to_string(), FILES_MIB.to_string());
    let arguments = [
        "--hosts",
        "1",
        "--release-mib",
        RELEASE_MIB,
        "--data-files",
        &files,
        "--data-mib",
        &mib,
        "--database-url",
        &url,
    ];
    let report = demo(&ground, &arguments)?;
    let host = &report["hosts"][0];
    let ours = host["downtime_ms"].as_f64().context("the demo's report has no downtime")?;
    let root = ground.join("hosts").join(host["name"].as_str().context("no name")?).join("root");
    let kept = dir.join("files");
    std::fs::rename(root.join("data/files"), &kept)?;
    let trees = dir.join("packs");
    std::fs::rename(ground.join("packs"), &trees)?;
    // Room for the other side.
    std::fs::remove_dir_all(&ground)?;
    let theirs =
        script(&trees, &dir.join("script"), Some(&Heavy { files: &kept, url: &url })).await;
    let theirs = theirs?;
    std::fs::rename(dir.join("script/root/data/files"), &kept)?;
    std::fs::remove_dir_all(dir.join("script"))?;
    std::fs::remove_dir_all(&trees)?;
    let row = Row::compare(
        ("host", "downtime: 1 GB, 20,000 files, 200 MB database"),
        Better::Less,
        (&[ours], &[theirs]),
        "sh: stop, tar and dump, unpack, migrate, start",
        "ms without a write",
        GOAL,
    );
    Ok((vec![row], Product { files: kept, url }))
}
