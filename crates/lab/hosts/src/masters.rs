//! The product: buildbot masters as their released packages leave them, each with a database on the first host.

use crate::{
    lab::{Lab, packs},
    machine::{Machine, copy},
    network::{self, OUTSIDE, PREFIX},
    process::{done, until},
    talk::say,
    wheels,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};

/// The product's folder on its hosts.
pub(crate) const ROOT: &str = "/srv/buildbot";
/// Where it answers.
pub(crate) const PORT: u16 = 8010;
/// The build that is installed by hand, before Refit comes.
pub(crate) const FIRST_BUILD: &str = "3.11.9";
/// What is asked of each master before the upgrade; the row must be there afterwards.
pub(crate) const ROW: &str = "written before the upgrade";
/// The role on the database's host. Its network leads nowhere else, so the password guards nothing.
const PASSWORD: &str = "lab";

/// Packages are unpacked and compiled: a minute on a quiet machine.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
const START_LIMIT: Duration = Duration::from_secs(180);
const SHORT: Duration = Duration::from_secs(60);

/// The address of a master's database, as SQLAlchemy and libpq both read it.
pub(crate) fn database_url(database: &Machine, master: &Machine) -> String {
    format!("postgresql://buildbot:{PASSWORD}@{}/{}", database.address, master.name)
}

/// Lets the other hosts reach PostgreSQL on the first; before it boots.
pub(crate) fn configure_database(host: &Machine) -> Result<()> {
    let folder = "etc/postgresql/15/main";
    let rules = host.root().join(folder).join("pg_hba.conf");
    let text = fs::read_to_string(&rules)
        .with_context(|| format!("failed to read {}", rules.display()))?;
    host.write(
        &format!("{folder}/pg_hba.conf"),
        &format!("{text}host all buildbot {OUTSIDE}/{PREFIX} scram-sha-256\n"),
    )?;
    host.write(&format!("{folder}/conf.d/lab.conf"), "listen_addresses = '*'\n")
}

/// Puts the files of the first build on a host; before it boots.
pub(crate) fn lay_out(lab: &Lab, database: &Machine, master: &Machine) -> Result<()> {
    master.mask("postgresql.service")?;
    let release = format!("srv/buildbot/releases/{FIRST_BUILD}");
    let into = master.root().join(&release);
    fs::create_dir_all(&into).with_context(|| format!("failed to make {}", into.display()))?;
    let requirements = packs().join(FIRST_BUILD).join("requirements.txt");
    copy(&wheels::provide(&lab.cache, FIRST_BUILD, &requirements)?, &into.join("wheels"))?;
    copy(&requirements, &into.join("requirements.txt"))?;
    copy(&packs().join("shared/payload/bin"), &into.join("bin"))?;
    master.link("srv/buildbot/current", &format!("releases/{FIRST_BUILD}"))?;
    let host = |file: &str| {
        fs::read_to_string(packs().join("host").join(file))
            .with_context(|| format!("failed to read {file}"))
    };
    master.write("srv/buildbot/master/master.cfg", &host("master.cfg")?)?;
    master.write("srv/buildbot/master/database.url", &database_url(database, master))?;
    master.write("lib/systemd/system/buildbot.service", &host("buildbot.service")?)
}

/// Makes database and master and starts it, as its handbook says.
pub(crate) fn install(database: &Machine, master: &Machine) -> Result<()> {
    psql(database, "postgres", &format!("create database {} owner buildbot", master.name))?;
    let release = format!("{ROOT}/releases/{FIRST_BUILD}");
    master.done(
        &["env", &format!("REFIT_RELEASE={release}"), &format!("{release}/bin/prepare")],
        INSTALL_LIMIT,
    )?;
    let address = format!("--db={}", database_url(database, master));
    master.done(
        &[
            &format!("{release}/env/bin/buildbot"),
            "create-master",
            &address,
            &format!("{ROOT}/master"),
        ],
        INSTALL_LIMIT,
    )?;
    master.done(&["systemctl", "enable", "--now", "buildbot.service"], SHORT)?;
    wait_answers(master)?;
    let reason = force(master, ROW)?;
    say(&format!(
        "{}: buildbot {FIRST_BUILD} answers on {}:{PORT}; {reason}",
        master.name, master.address
    ));
    Ok(())
}

/// Makes the role that owns all databases.
pub(crate) fn make_role(database: &Machine) -> Result<()> {
    until("PostgreSQL answers", START_LIMIT, || Ok(psql(database, "postgres", "select 1").ok()))
        .map(drop)?;
    psql(database, "postgres", &format!("create role buildbot login password '{PASSWORD}'"))
        .map(drop)
}

/// Puts a table in the way of the migration to 4.3.0, which makes one of the same name.
pub(crate) fn obstruct(database: &Machine, master: &Machine) -> Result<()> {
    psql(database, master.name, "set role buildbot; create table codebases (kept text); insert into codebases values ('of somebody else')").map(drop)
}

/// Waits until the web pages are served to this machine.
pub(crate) fn wait_answers(master: &Machine) -> Result<()> {
    until(&format!("buildbot answers on {}", master.name), START_LIMIT, || {
        let answer = network::get(master.address, PORT, "/api/v2/masters")?;
        Ok(answer
            .filter(|(status, body)| *status == 200 && body.contains("\"active\": true"))
            .map(drop))
    })
}

/// Asks a master for a build, as a person at its page does; nothing carries it out, so the request stays.
fn force(master: &Machine, reason: &str) -> Result<String> {
    let ask = json!({ "jsonrpc": "2.0", "method": "force", "id": 1,
        "params": { "reason": reason, "owner": "lab@example.org", "builderNames": ["release"] } });
    let url = format!("http://{}:{PORT}/api/v2/forceschedulers/force", master.address);
    let answer = done(
        Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20"])
            .args(["--header", "Content-Type: application/json", "--data", &ask.to_string(), &url]),
        SHORT,
    )?;
    let answer: Value =
        serde_json::from_str(&answer).with_context(|| format!("unexpected answer {answer}"))?;
    ensure!(
        answer.get("result").is_some_and(Value::is_array),
        "buildbot refused the request: {answer}"
    );
    Ok(format!("asked for a build: {reason}"))
}

/// Asks PostgreSQL itself; rows as lines, columns with `|` between them.
pub(crate) fn psql(host: &Machine, database: &str, query: &str) -> Result<String> {
    let words = [
        "su",
        "postgres",
        "-s",
        "/bin/sh",
        "-c",
        "cd / && exec psql -X -q -A -t -v ON_ERROR_STOP=1 -d \"$0\" -c \"$1\"",
        database,
        query,
    ];
    host.done(&words, SHORT).map(|text| text.trim().to_owned())
}
