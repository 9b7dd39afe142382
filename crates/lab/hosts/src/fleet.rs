//! Agents on the hosts: the program copied in, enrolled with a one-time token, run by systemd.

use crate::{
    control::Control,
    lab::{Lab, packs, together},
    machine::Machine,
    masters::{self, FIRST_BUILD, copy},
    process::until,
    talk::say,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

const LIMIT: Duration = Duration::from_secs(60);
/// An agent says what it sees with its first sync.
const SEEN_LIMIT: Duration = Duration::from_secs(120);

/// What people say of the hosts: the one that will fail has the most hanging on it, so it comes last.
const FLEET: &str = "\
name,site,role,owner,criticality,tags
ci1,lab,ci,application-owner,low,canary
ci2,lab,ci,application-owner,medium,
ci3,lab,ci,application-owner,high,
";

/// Puts an agent on every master's host and waits until the server knows the installed builds.
pub(crate) fn enrol(lab: &Lab, control: &Control, agent: &Path) -> Result<()> {
    together(&lab.masters, |host| enrol_one(lab, control, agent, host))?;
    let file = lab.work.join("fleet.csv");
    fs::write(&file, FLEET).context("failed to write the fleet's list")?;
    control.json("planner", &["fleet", "import", &file.display().to_string()])?;
    until("all agents have reported", SEEN_LIMIT, || {
        let hosts = control.json("planner", &["fleet", "list"])?;
        let missing = lab
            .masters
            .iter()
            .find(|host| build_of(&hosts, host.name).as_deref() != Some(FIRST_BUILD));
        let missing = missing.map(|host| host.name);
        ensure!(missing.is_none(), "{missing:?} does not report build {FIRST_BUILD}: {hosts}");
        Ok(Some(()))
    })
}

fn enrol_one(lab: &Lab, control: &Control, agent: &Path, host: &Machine) -> Result<()> {
    copy(agent, &host.root().join("usr/local/bin/refit-agent"))?;
    let unit = fs::read_to_string(packs().join("host/refit-agent.service"))
        .context("failed to read refit-agent.service")?;
    host.write("etc/systemd/system/refit-agent.service", &unit)?;
    host.write("etc/refit/agent.toml", &configuration(&masters::database_url(lab, host)))?;
    let made = control
        .json("admin", &["fleet", "token", "--site", "lab", "--role", "ci", "--host", host.name])?;
    let token = made["token"].as_str().with_context(|| format!("no token in {made}"))?;
    let state = "/var/lib/refit-agent";
    let words = [
        "/usr/local/bin/refit-agent",
        "enroll",
        "--server",
        &Control::url(),
        "--token",
        token,
        "--host",
        host.name,
        "--state",
        state,
    ];
    host.done(&words, LIMIT)?;
    host.done(&["systemctl", "daemon-reload"], LIMIT)?;
    host.done(&["systemctl", "enable", "--now", "refit-agent.service"], LIMIT)?;
    say(&format!("{}: agent enrolled and started", host.name));
    Ok(())
}

fn configuration(database: &str) -> String {
    format!(
        "[[product]]\nname = \"buildbot\"\nroot = \"{}\"\n\n[product.service]\nkind = \"systemd\"\nunits = [\"buildbot.service\"]\n\n\
         [product.parameters]\nport = \"{}\"\n\n[product.secrets]\ndatabase-url = \"{database}\"\n",
        masters::ROOT,
        masters::PORT
    )
}

/// The build that the server believes to be installed on a host.
fn build_of(hosts: &Value, name: &str) -> Option<String> {
    let host = hosts.as_array()?.iter().find(|host| host["name"] == name)?;
    host["facts"]["products"].as_array()?.first()?["build"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn build_is_read_from_the_fleet_list() {
        let hosts = json!([{ "name": "ci1", "facts": { "products": [{ "build": "3.11.9" }] } }, { "name": "ci2", "facts": null }]);
        assert_eq!(build_of(&hosts, "ci1").as_deref(), Some("3.11.9"));
        assert_eq!(build_of(&hosts, "ci2"), None);
    }
}
