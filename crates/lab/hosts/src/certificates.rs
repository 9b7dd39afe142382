//! Sign-off: the parties sign, certificates are exported and must verify with the server gone.

use crate::{
    control::Control,
    lab::Lab,
    machine::Machine,
    process::{done, run},
    scenario::Scenario,
    tally::Tally,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Roles that the rollout was configured to need.
const PARTIES: [&str; 2] = ["deployer", "application-owner"];

/// Signs for every host, exports, ends the server and verifies what was exported with the public key alone.
pub(crate) fn check(lab: &Lab, control: &mut Control, tally: &Tally, refit: &Path) -> Result<()> {
    let out = lab.work.join("certificates");
    let mut count = 0;
    for scenario in lab.scenarios() {
        let rollout = scenario.campaign().rollout;
        for host in members(lab, scenario) {
            count += 1;
            for party in PARTIES {
                let signed =
                    control.json(party, &["signoff", "sign", rollout, host, "--as", party]);
                tally.check(&format!("{host}: signed by the {party}"), signed.map(drop));
            }
        }
        let folder = out.display().to_string();
        control.json("planner", &["signoff", "export", rollout, "--out", &folder])?;
    }
    let key = lab.work.join("signoff.pub.pem");
    fs::copy(control.state().join("signoff.pub.pem"), &key)
        .context("failed to copy the public key")?;
    control.stop()?;
    let statements = files(&out, "json")?;
    let pages = files(&out, "pdf")?.len();
    tally.same(
        "each host has a certificate of both kinds",
        &(count, count),
        Ok((statements.len(), pages)),
    );
    for statement in &statements {
        let verified = done(
            Command::new(refit).args(["signoff", "verify"]).arg(statement).arg("--key").arg(&key),
            LIMIT,
        );
        tally.check(
            &format!("{} verifies with the server gone", name(statement)),
            verified.map(drop),
        );
    }
    if let Some(statement) = statements.first() {
        tally.check(
            "a changed certificate does not verify",
            forgery_is_refused(statement, &key, refit),
        );
    }
    Ok(())
}

fn members(lab: &Lab, scenario: &dyn Scenario) -> Vec<&'static str> {
    let with_agent = |host: &&Machine| scenario.agent(lab, host).is_some();
    scenario.hosts().into_iter().filter(with_agent).map(|host| host.name).collect()
}

fn forgery_is_refused(statement: &Path, key: &Path, refit: &Path) -> Result<()> {
    let text = fs::read_to_string(statement)?;
    // The payload is base64: another letter in its middle is another payload.
    let place = text.find("\"payload\"").context("no payload")? + 60;
    let other = if text.as_bytes().get(place) == Some(&b'A') { "B" } else { "A" };
    let forged = statement.with_extension("forged");
    let mut bytes = text;
    bytes.replace_range(place..=place, other);
    fs::write(&forged, bytes)?;
    let said = run(
        Command::new(refit).args(["signoff", "verify"]).arg(&forged).arg("--key").arg(key),
        LIMIT,
    )?;
    ensure!(
        said.status.code() == Some(9),
        "expected exit code 9, found {}: {}",
        said.status,
        said.stderr
    );
    Ok(())
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == ending));
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
