//! What the lab sees with its own eyes after the walk: files, databases, web pages, units, reboots.

use crate::{
    lab::Lab,
    machine::Machine,
    masters::{PORT, ROOT, ROW, psql, wait_answers},
    network,
    tally::Tally,
    walk,
    web::{self, Web},
};
use anyhow::{Context as _, Result, ensure};
use refit_names::Digest;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SHORT: Duration = Duration::from_secs(30);

/// What a host must have become.
struct Expected {
    build: &'static str,
    /// `alembic_version` of that build.
    schema: &'static str,
    /// Restarts of the machine: one before and one after each leg's change.
    reboots: usize,
    /// The state that the server must tell.
    state: &'static str,
}

const UPGRADED: Expected =
    Expected { build: "4.3.0", schema: "067", reboots: 4, state: "succeeded" };
/// The second leg is taken back before its second reboot.
const TAKEN_BACK: Expected =
    Expected { build: "4.0.4", schema: "066", reboots: 3, state: "rolled-back" };

fn expected(web: &Web) -> impl Iterator<Item = (&Machine, &'static Expected)> {
    let last = web.masters.len().saturating_sub(1);
    web.masters
        .iter()
        .enumerate()
        .map(move |(place, host)| (host, if place == last { &TAKEN_BACK } else { &UPGRADED }))
}

/// Holds what the server says against what must have happened.
pub(crate) fn report(web: &Web, view: &Value, tally: &Tally) {
    for (host, expected) in expected(web) {
        let found = walk::hosts(view).find(|found| found["host"] == host.name);
        let state = |found: &Value| found["state"]["state"].as_str().unwrap_or_default().to_owned();
        let told =
            found.map(state).with_context(|| format!("the rollout has no host {}", host.name));
        tally.same(
            &format!("{}: the server says {}", host.name, expected.state),
            &expected.state.to_owned(),
            told,
        );
        if expected.state == "rolled-back" {
            let cause = found.map(|found| found["state"]["cause"].to_string()).unwrap_or_default();
            let outcome = cause
                .contains("codebases")
                .then_some(())
                .with_context(|| format!("the cause does not name the table: {cause}"));
            tally.check(&format!("{}: the cause names the table in the way", host.name), outcome);
        }
    }
}

/// Looks at every host.
pub(crate) fn hosts(lab: &Lab, web: &Web, tally: &Tally) {
    for (host, expected) in expected(web) {
        let name = host.name;
        let build = expected.build;
        tally.check(&format!("{name}: answers over HTTP from outside"), wait_answers(host));
        tally.check(&format!("{name}: `current` leads to {build}"), current_is(host, build));
        tally.check(
            &format!("{name}: every file of the release is that of the pack"),
            files_are_whole(lab, host, build),
        );
        tally.check(&format!("{name}: its web page says {build}"), page_says(host, build));
        let schema = psql(&web.database, name, "select version_num from alembic_version");
        tally.same(
            &format!("{name}: schema {}", expected.schema),
            &expected.schema.to_owned(),
            schema,
        );
        let rows = psql(
            &web.database,
            name,
            &format!("select count(*) from buildsets where reason like '%{ROW}%'"),
        );
        tally.same(
            &format!("{name}: the row from before is in the database"),
            &"1".to_owned(),
            rows,
        );
        tally
            .check(&format!("{name}: the row from before is on the web page"), row_is_served(host));
        for unit in ["buildbot.service", "refit-agent.service"] {
            tally.check(
                &format!("{name}: {unit} is active"),
                host.done(&["systemctl", "is-active", unit], SHORT).map(drop),
            );
        }
        let reboots = host.reboots().and_then(|found| {
            ensure!(
                found >= expected.reboots,
                "expected at least {}, found {found}",
                expected.reboots
            );
            Ok(())
        });
        tally.check(&format!("{name}: was restarted before and after the change"), reboots);
    }
    if let Some(host) = web.masters.last() {
        let kept = psql(&web.database, host.name, "select kept from codebases");
        tally.same(
            &format!("{}: the table of somebody else is untouched", host.name),
            &"of somebody else".to_owned(),
            kept,
        );
        let left = psql(
            &web.database,
            host.name,
            "select count(*) from information_schema.tables where starts_with(table_name, 'codebase_')",
        );
        tally.same(
            &format!("{}: no table of the refused migration is left", host.name),
            &"0".to_owned(),
            left,
        );
    }
}

fn current_is(host: &Machine, build: &str) -> Result<()> {
    let link = host.root().join(ROOT.trim_start_matches('/')).join("current");
    let target =
        fs::read_link(&link).with_context(|| format!("failed to read {}", link.display()))?;
    ensure!(
        target.file_name().is_some_and(|name| name == build),
        "expected {build}, found {}",
        target.display()
    );
    Ok(())
}

/// Compares digests of the pack's payload, as its author had it, with those of the release on the host.
fn files_are_whole(lab: &Lab, host: &Machine, build: &str) -> Result<()> {
    let expected = digests(&web::pack_folder(lab, build).join("payload"))?;
    let release = host.root().join(ROOT.trim_start_matches('/')).join("releases").join(build);
    ensure!(!expected.is_empty(), "the pack has no file");
    for (path, digest) in expected {
        let file = release.join(&path);
        let found = Digest::of(
            &fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?,
        );
        ensure!(found == digest, "{}: expected {digest}, found {found}", file.display());
    }
    Ok(())
}

fn digests(folder: &Path) -> Result<BTreeMap<PathBuf, Digest>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in
            fs::read_dir(&next).with_context(|| format!("failed to list {}", next.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let digest = Digest::of(&fs::read(&path)?);
                found.insert(path.strip_prefix(folder)?.to_owned(), digest);
            }
        }
    }
    Ok(found)
}

fn page_says(host: &Machine, build: &str) -> Result<()> {
    let (status, body) = network::get(host.address, PORT, "/")?.context("nobody answers")?;
    let wanted = format!("[\"Buildbot\", \"{build}\"]");
    ensure!(status == 200 && body.contains(&wanted), "status {status}, without {wanted}");
    Ok(())
}

fn row_is_served(host: &Machine) -> Result<()> {
    let (status, body) =
        network::get(host.address, PORT, "/api/v2/buildsets")?.context("nobody answers")?;
    ensure!(status == 200 && body.contains(ROW), "status {status}, without `{ROW}`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_cover_files_in_folders() {
        let found = digests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packs")).unwrap();
        assert!(
            found.contains_key(Path::new("shared/payload/bin/migrate"))
                && found.contains_key(Path::new("4.3.0/pack.yaml"))
        );
    }
}
