//! Every state with every event, kept as text: a new move is a visible line in review.

use crate::fleet::{Walk, at, build, host, person, plan};
use refit_rollout::{Event, HostReport, PrepareStage, Rollout};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn states() -> Vec<(&'static str, Rollout)> {
    let deploying = || Walk::deploying(plan(&[2, 1]));
    let paused = || {
        let mut walk = deploying();
        walk.go(Event::Paused { because: "drill".to_owned() });
        walk
    };
    let halted = || {
        let mut walk = deploying();
        walk.fail("h0-0");
        walk.fail("h0-1");
        walk
    };
    let mut agreed = Walk::planned(plan(&[2, 1]));
    agreed.agree("owner").unwrap();
    let mut preparing = Walk::planned(plan(&[2, 1]));
    preparing.agree("owner").unwrap();
    preparing.go(Event::PrepareRequested);
    let mut unconfigured = Walk::prepared(plan(&[2, 1]));
    unconfigured.authorise("authoriser").unwrap();
    let mut cancelled = deploying();
    cancelled.go(Event::Cancelled { because: "wrong week".to_owned() });
    let mut completed = Walk::deploying(plan(&[1]));
    completed.succeed("h0-0");
    completed.after(10);
    vec![
        ("draft", Walk::drafted().rollout),
        ("planned", Walk::planned(plan(&[2, 1])).rollout),
        ("agreed", agreed.rollout),
        ("preparing", preparing.rollout),
        ("prepared", Walk::prepared(plan(&[2, 1])).rollout),
        ("authorised, not configured", unconfigured.rollout),
        ("authorised", Walk::authorised(plan(&[2, 1])).rollout),
        ("deploying", deploying().rollout),
        ("paused", paused().rollout),
        ("halted", halted().rollout),
        ("halted by a withdrawn pack", withdrawn(deploying())),
        ("prepared with a withdrawn pack", withdrawn(Walk::prepared(plan(&[2, 1])))),
        ("completed", completed.rollout),
        ("cancelled", cancelled.rollout),
    ]
}

fn withdrawn(mut walk: Walk) -> Rollout {
    walk.go(Event::PackWithdrawn { because: "pack 1100 was withdrawn".to_owned() });
    walk.rollout
}

fn events(rollout: &Rollout) -> Vec<(&'static str, Event)> {
    let hash = rollout.plan().unwrap_or(refit_names::Digest::ZERO);
    let mut next = plan(&[2, 1]);
    next.parent = rollout.plan();
    next.generation = rollout.generation().map_or(next.generation, |old| old.next());
    let one = host("h0-0");
    let report = |standing| Event::HostReported { host: one.clone(), standing };
    let running = HostReport::Running { phase: "protect".to_owned(), step: "stop".to_owned() };
    let stage = PrepareStage::Finalise;
    let cause = || "disk is full".to_owned();
    vec![
        ("plan made", Event::PlanMade { plan: Box::new(next) }),
        ("agree, owner", Event::Agreed { by: person("owner"), plan: hash }),
        ("agree, author", Event::Agreed { by: person("planner"), plan: hash }),
        ("prepare", Event::PrepareRequested),
        ("authorise", Event::Authorised { by: person("authoriser"), plan: hash }),
        ("configure", Event::Configured { parallel: Some(1), advance: None }),
        ("deploy by waves", Event::DeployRequested { hosts: BTreeSet::new() }),
        ("deploy h0-0", Event::DeployRequested { hosts: BTreeSet::from([one.clone()]) }),
        ("pause", Event::Paused { because: "drill".to_owned() }),
        ("resume", Event::Resumed),
        ("advance", Event::Advanced),
        ("cancel", Event::Cancelled { because: "wrong week".to_owned() }),
        ("ignore h0-0", Event::HostIgnored { host: one.clone(), because: "broken".to_owned() }),
        ("pack withdrawn", Event::PackWithdrawn { because: "it damages indexes".to_owned() }),
        ("tick", Event::Tick),
        ("h0-0 preparing", report(HostReport::Preparing { stage })),
        ("h0-0 prepare failed", report(HostReport::PrepareFailed { stage, cause: cause() })),
        ("h0-0 prepared", report(HostReport::Prepared)),
        ("h0-0 running", report(running)),
        ("h0-0 succeeded", report(HostReport::Succeeded { build: build("1100") })),
        (
            "h0-0 rolled back",
            report(HostReport::RolledBack { build: build("1000"), cause: cause() }),
        ),
        ("h0-0 needs person", report(HostReport::NeedsPerson { cause: cause() })),
        ("h0-0 refused", report(HostReport::Refused { cause: cause() })),
    ]
}

#[test]
fn every_state_with_every_event() {
    let mut text = String::new();
    for (name, rollout) in states() {
        writeln!(text, "{name}").unwrap();
        for (label, event) in events(&rollout) {
            let outcome = match rollout.next(&event, at(50)) {
                Ok(moved) if moved.rollout == rollout => "unchanged".to_owned(),
                Ok(moved) => {
                    let host = moved.rollout.hosts().first().map_or("-", |host| host.state.name());
                    let failures = moved.rollout.failures().len();
                    format!("{}; h0-0 {host}; {failures} failures", moved.rollout.state())
                }
                Err(refused) => format!("REFUSED {refused}"),
            };
            writeln!(text, "  {label:<20} {outcome}").unwrap();
        }
    }
    insta::assert_snapshot!(text);
}
