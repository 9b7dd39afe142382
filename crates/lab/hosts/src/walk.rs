//! The whole job: hosts up, packs published, fleet upgraded, everything checked, everything taken away.

use crate::{
    certificates, checks,
    control::{self, Control},
    fleet,
    lab::Lab,
    masters,
    process::{self, until},
    talk::{result, say},
    tally::Tally,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};

/// The campaign's name.
pub(crate) const ROLLOUT: &str = "buildbot-4-3";

/// Two virtual environments per host, made from wheels.
const PREPARE_LIMIT: Duration = Duration::from_secs(1200);
/// Two legs with two reboots each, in two waves.
const DEPLOY_LIMIT: Duration = Duration::from_secs(1800);

/// Does the whole job and prints `N passed, N failed` at the end.
pub(crate) fn whole(lab: &Lab, programs: &Path, keep: bool) -> Result<ExitCode> {
    let mut tally = Tally::default();
    if let Err(error) = job(lab, programs, &mut tally, keep) {
        tally.check("the job came to its end", Err(error));
    }
    process::forget_interrupt();
    if keep || !tally.is_good() {
        say(&format!("logs and consoles are kept below {}", lab.keep_logs().display()));
    }
    if keep {
        say("hosts are left running; `refit-lab down` takes them away");
    } else {
        tally.check("everything is taken away", lab.down());
    }
    tally.failures().iter().for_each(|failure| say(&format!("FAILED  {failure}")));
    result(&tally.line());
    Ok(if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn job(lab: &Lab, programs: &Path, tally: &mut Tally, keep: bool) -> Result<()> {
    let (refit, agent) = (programs.join("refit"), programs.join("refit-agent"));
    for program in [&refit, &agent] {
        ensure!(program.is_file(), "there is no {}: `./dev build` makes it", program.display());
    }
    lab.up()?;
    tally.check("hosts are booted with systemd and masters answer", Ok(()));
    control::publish(lab, &refit)?;
    let mut control = Control::start(lab, &refit)?;
    fleet::enrol(lab, &control, &agent)?;
    tally.check("agents are enrolled and report build 3.11.9", Ok(()));
    let failing = lab.masters.last().context("the lab has no master")?;
    masters::obstruct(lab, failing)?;
    let last = upgrade(&control)?;
    checks::report(lab, &last, tally);
    checks::hosts(lab, tally);
    certificates::check(lab, &mut control, tally, &refit)?;
    if keep {
        say("the control server has ended; its folder is kept");
    }
    Ok(())
}

/// The walk as people type it; answers with the rollout as it stood at the end.
fn upgrade(control: &Control) -> Result<Value> {
    let shape = [
        "--share",
        "33",
        "--share",
        "67",
        "--goal",
        "50",
        "--soak",
        "1s",
        "--parallel",
        "2",
        "--failure-budget",
        "1",
    ];
    let mut create =
        vec!["rollout", "create", ROLLOUT, "--product", "buildbot", "--target", "4.3.0"];
    create.extend(shape);
    control.json("planner", &create)?;
    let plan = control.json("planner", &["rollout", "plan", ROLLOUT])?;
    let hash = plan["hash"].as_str().with_context(|| format!("no hash in {plan}"))?;
    say(&format!("plan {hash}"));
    control.json(
        "approver",
        &["rollout", "agree", ROLLOUT, "--plan", hash, "--remark", "seen", "--yes"],
    )?;
    control.json("preparer", &["rollout", "prepare", ROLLOUT])?;
    follow(control, "every host is prepared", PREPARE_LIMIT, "prepared")?;
    control.json("authoriser", &["rollout", "authorise", ROLLOUT, "--plan", hash, "--yes"])?;
    control.json(
        "configurer",
        &[
            "rollout",
            "configure",
            ROLLOUT,
            "--parallel",
            "2",
            "--party",
            "deployer",
            "--party",
            "application-owner",
        ],
    )?;
    control.json("deployer", &["rollout", "deploy", ROLLOUT])?;
    follow(control, "the rollout is over", DEPLOY_LIMIT, "completed")
}

/// Says what changes until the rollout is in `goal`.
fn follow(control: &Control, what: &str, limit: Duration, goal: &str) -> Result<Value> {
    let mut told = BTreeMap::new();
    until(what, limit, || {
        let view = control.json("planner", &["rollout", "status", ROLLOUT])?;
        for host in hosts(&view) {
            let name = host["host"].as_str().unwrap_or_default().to_owned();
            let line = host["state"].to_string();
            if told.get(&name) != Some(&line) {
                say(&format!("{name}: {line}"));
                told.insert(name, line);
            }
        }
        let state = view["state"]["state"].as_str().unwrap_or_default();
        if ["halted", "cancelled"].contains(&state) {
            return Ok(Some(Err(anyhow::anyhow!("the rollout is {}", view["state"]))));
        }
        // A server may look often; a debug build on a busy machine should not be asked twenty times a second.
        std::thread::sleep(Duration::from_secs(1));
        Ok((state == goal).then_some(Ok(view)))
    })?
}

/// The hosts of a rollout, over all waves.
pub(crate) fn hosts(view: &Value) -> impl Iterator<Item = &Value> {
    let waves = view["waves"].as_array().into_iter().flatten();
    waves.flat_map(|wave| wave["hosts"].as_array().into_iter().flatten())
}
