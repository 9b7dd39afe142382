//! The whole job: hosts up, packs published, fleet upgraded, everything checked, everything taken away.

use crate::{
    certificates,
    control::{self, Control},
    fleet,
    lab::{Lab, at_once},
    process::{self, until},
    scenario::{Campaign, Scenario},
    talk::{result, say},
    tally::Tally,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};

/// Two virtual environments per host, made from wheels.
const PREPARE_LIMIT: Duration = Duration::from_secs(1200);
/// Two legs with two reboots each, in two waves.
const DEPLOY_LIMIT: Duration = Duration::from_secs(1800);

/// Does the whole job and prints `N passed, N failed` at the end.
pub(crate) fn whole(lab: &Lab, programs: &Path, keep: bool) -> Result<ExitCode> {
    let tally = Tally::default();
    if let Err(error) = job(lab, programs, &tally, keep) {
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

fn job(lab: &Lab, programs: &Path, tally: &Tally, keep: bool) -> Result<()> {
    let (refit, agent) = (programs.join("refit"), programs.join("refit-agent"));
    for program in [&refit, &agent] {
        ensure!(program.is_file(), "there is no {}: `./dev build` makes it", program.display());
    }
    lab.up()?;
    tally.check("hosts are booted with systemd and their products answer", Ok(()));
    control::publish(lab, &refit)?;
    let mut control = Control::start(lab, &refit)?;
    fleet::enrol(lab, &control, &agent)?;
    tally.check("agents are enrolled and report the builds from before", Ok(()));
    at_once(
        lab.scenarios(),
        |scenario| scenario.name(),
        |scenario| {
            scenario.arrange(lab, &control)?;
            let last = upgrade(lab, &control, scenario)?;
            scenario.check(lab, &last, tally);
            Ok(())
        },
    )?;
    certificates::check(lab, &mut control, tally, &refit)?;
    if keep {
        say("the control server has ended; its folder is kept");
    }
    Ok(())
}

/// The walk as people type it; answers with the rollout as it stood at the end.
fn upgrade(lab: &Lab, control: &Control, scenario: &dyn Scenario) -> Result<Value> {
    let Campaign { rollout, product, target, shape, .. } = scenario.campaign();
    let mut create = vec!["rollout", "create", rollout, "--product", product, "--target", target];
    create.extend(shape);
    control.json("planner", &create)?;
    let plan = control.json("planner", &["rollout", "plan", rollout])?;
    let hash = plan["hash"].as_str().with_context(|| format!("no hash in {plan}"))?;
    say(&format!("{rollout}: plan {hash}"));
    control.json(
        "approver",
        &["rollout", "agree", rollout, "--plan", hash, "--remark", "seen", "--yes"],
    )?;
    control.json("preparer", &["rollout", "prepare", rollout])?;
    follow(lab, control, scenario, "every host is prepared", PREPARE_LIMIT, "prepared")?;
    control.json("authoriser", &["rollout", "authorise", rollout, "--plan", hash, "--yes"])?;
    let parties = ["--party", "deployer", "--party", "application-owner"];
    let mut configure = vec!["rollout", "configure", rollout];
    configure.extend(parties);
    control.json("configurer", &configure)?;
    control.json("deployer", &["rollout", "deploy", rollout])?;
    follow(lab, control, scenario, "the rollout is over", DEPLOY_LIMIT, "completed")
}

/// Says what changes until the rollout is in `goal`.
fn follow(
    lab: &Lab,
    control: &Control,
    scenario: &dyn Scenario,
    what: &str,
    limit: Duration,
    goal: &str,
) -> Result<Value> {
    let rollout = scenario.campaign().rollout;
    let mut told = BTreeMap::new();
    until(&format!("{rollout}: {what}"), limit, || {
        answer(lab, control, scenario)?;
        let view = control.json("planner", &["rollout", "status", rollout])?;
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
            return Ok(Some(Err(anyhow::anyhow!("{rollout} is {}", view["state"]))));
        }
        // A server may look often; a debug build on a busy machine should not be asked twenty times a second.
        std::thread::sleep(Duration::from_secs(1));
        Ok((state == goal).then_some(Ok(view)))
    })?
}

/// Answers what hosts ask the operator.
fn answer(lab: &Lab, control: &Control, scenario: &dyn Scenario) -> Result<()> {
    let rollout = scenario.campaign().rollout;
    let asked = control.json("deployer", &["rollout", "questions", rollout])?;
    for question in asked.as_array().into_iter().flatten().filter(|asked| asked["state"] == "open")
    {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (host, step) = (text(&question["host"]), text(&question["key"]["step"]));
        let Some(words) = scenario.answer(lab, &step) else { continue };
        let mut command = vec!["rollout", "answer", rollout, &host, &step];
        command.extend(words.iter().map(String::as_str));
        control.json("deployer", &command)?;
        say(&format!("{host}: {step} was answered with {}", words.join(" ")));
    }
    Ok(())
}

/// The hosts of a rollout, over all waves.
pub(crate) fn hosts(view: &Value) -> impl Iterator<Item = &Value> {
    let waves = view["waves"].as_array().into_iter().flatten();
    waves.flat_map(|wave| wave["hosts"].as_array().into_iter().flatten())
}

/// What the server says of a host: its state, and the cause where it has one.
pub(crate) fn told(view: &Value, host: &str) -> Result<(String, String)> {
    let found = hosts(view).find(|found| found["host"] == host);
    let found = found.with_context(|| format!("the rollout has no host {host}"))?;
    let state = found["state"]["state"].as_str().unwrap_or_default().to_owned();
    Ok((state, found["state"]["cause"].to_string()))
}
