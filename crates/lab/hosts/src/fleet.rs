//! Agents on the hosts: the program copied in, enrolled with a one-time token, run by systemd.

use crate::{
    control::Control,
    lab::{Lab, at_once, packs},
    machine::{Machine, copy},
    process::until,
    scenario::Scenario,
    talk::say,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

const LIMIT: Duration = Duration::from_secs(60);
/// An agent says what it sees with its first sync.
const SEEN_LIMIT: Duration = Duration::from_secs(120);

const COLUMNS: &str = "name,site,role,owner,criticality,tags,cluster";

/// Puts an agent on every host that gets one and waits until the server knows the installed builds.
pub(crate) fn enrol(lab: &Lab, control: &Control, agent: &Path) -> Result<()> {
    let mut members = Vec::new();
    for scenario in lab.scenarios() {
        for host in scenario.hosts() {
            let configuration = scenario.agent(lab, host);
            members.extend(configuration.map(|text| (scenario, host, text)));
        }
    }
    at_once(
        members.iter().collect(),
        |(_, host, _)| host.name,
        |(scenario, host, text)| enrol_one(control, agent, *scenario, host, text),
    )?;
    let rows: String = lab.scenarios().iter().map(|scenario| scenario.fleet()).collect();
    let file = lab.work.join("fleet.csv");
    fs::write(&file, format!("{COLUMNS}\n{rows}")).context("failed to write the fleet's list")?;
    control.json("planner", &["fleet", "import", &file.display().to_string()])?;
    until("all agents have reported", SEEN_LIMIT, || {
        let hosts = control.json("planner", &["fleet", "list"])?;
        for (scenario, host, _) in &members {
            let first = scenario.campaign().first;
            let name = host.name;
            let found = build_of(&hosts, name);
            ensure!(
                found.as_deref() == Some(first),
                "{name} does not report build {first}: {hosts}"
            );
        }
        Ok(Some(()))
    })
}

fn enrol_one(
    control: &Control,
    agent: &Path,
    scenario: &dyn Scenario,
    host: &Machine,
    configuration: &str,
) -> Result<()> {
    copy(agent, &host.root().join("usr/local/bin/refit-agent"))?;
    let unit = fs::read_to_string(packs().join("host/refit-agent.service"))
        .context("failed to read refit-agent.service")?;
    host.write("etc/systemd/system/refit-agent.service", &unit)?;
    host.write("etc/refit/agent.toml", configuration)?;
    let made = control.json(
        "admin",
        &["fleet", "token", "--site", "lab", "--role", scenario.role(), "--host", host.name],
    )?;
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
