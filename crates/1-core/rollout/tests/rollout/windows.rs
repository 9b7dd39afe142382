//! Openings and freezes: who may start when.

use crate::fleet::{Walk, at, host, person, plan};
use refit_names::TimeClass;
use refit_plan::{Freeze, Opening, Plan, Scope, Slot};
use refit_rollout::{Effect, Event, HostState, Permission};
use std::collections::BTreeSet;

/// Every host needs 2 s; `opens` and `closes` in seconds for the hosts of the first wave, in order.
fn slotted(sizes: &[u32], openings: &[(i64, i64)]) -> Plan {
    let mut plan = plan(sizes);
    for (planned, (opens, closes)) in plan.waves[0].hosts.iter_mut().zip(openings) {
        planned.slot = Some(Slot {
            opening: Opening {
                window: "night".parse().unwrap(),
                opens_at: at(*opens),
                closes_at: at(*closes),
            },
            starts_at: at(*opens),
            class: TimeClass::OutOfHours,
            people: BTreeSet::new(),
        });
    }
    plan
}

fn freeze(from: i64, until: i64, scope: Scope) -> Event {
    Event::FreezesKnown {
        freezes: vec![Freeze {
            name: "year-end".to_owned(),
            from: at(from),
            until: at(until),
            scope,
            reason: "close of the year".to_owned(),
        }],
    }
}

impl Walk {
    fn host_state(&self, name: &str) -> HostState {
        self.rollout.host(&host(name)).unwrap().state.clone()
    }
}

#[test]
fn host_starts_when_its_opening_opens_and_not_before() {
    let mut walk = Walk::deploying(slotted(&[2], &[(50, 100), (70, 100)]));
    assert_eq!(walk.host_state("h0-0"), HostState::Prepared);
    let why = walk.rollout.why(&host("h0-0"), at(0)).unwrap();
    assert_eq!(
        why.because,
        "window `night` is closed; it opens at 1970-01-01T00:00:50Z until 1970-01-01T00:01:40Z"
    );
    assert_eq!(why.latest, Some(at(98)), "2 s before it closes");
    let on = "window `night`, from 1970-01-01T00:00:50Z on".to_owned();
    assert_eq!(walk.rollout.shown(&host("h0-0"), at(0)), Some(HostState::Waiting { on }));
    walk.seconds = 49;
    let ticks = walk.go(Event::Tick);
    assert!(ticks.contains(&Effect::TickAt { at: at(50) }) || ticks.is_empty(), "{ticks:?}");
    assert_eq!(walk.host_state("h0-0"), HostState::Prepared);
    walk.after(1);
    assert_eq!(walk.host_state("h0-0"), HostState::Due);
    assert_eq!(walk.host_state("h0-1"), HostState::Prepared);
    walk.after(20);
    assert_eq!(walk.host_state("h0-1"), HostState::Due);
}

#[test]
fn host_with_people_keeps_to_its_own_start() {
    let mut plan = slotted(&[1], &[(50, 100)]);
    let slot = plan.waves[0].hosts[0].slot.as_mut().unwrap();
    slot.starts_at = at(60);
    slot.people = BTreeSet::from([person("engineer")]);
    let mut walk = Walk::deploying(plan);
    walk.after(55);
    assert_eq!(walk.host_state("h0-0"), HostState::Prepared);
    let why = walk.rollout.why(&host("h0-0"), at(55)).unwrap();
    assert!(why.because.contains("whoever looks after it is free"), "{}", why.because);
    walk.after(5);
    assert_eq!(walk.host_state("h0-0"), HostState::Due);
}

#[test]
fn host_does_not_start_when_change_and_way_back_no_longer_fit() {
    let mut walk = Walk::authorised(slotted(&[1], &[(50, 100)]));
    walk.seconds = 99;
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert_eq!(walk.host_state("h0-0"), HostState::Prepared);
    assert_eq!(
        walk.rollout.state().to_string(),
        "halted: wave `wave-0`: too little time is left in the windows of h0-0 (`night`); plan again, or ignore them"
    );
    // Resuming does not make time.
    walk.go(Event::Resumed);
    assert!(walk.rollout.state().to_string().starts_with("halted"));
    walk.ignore("h0-0");
    walk.go(Event::Resumed);
    assert_eq!(walk.rollout.state().to_string(), "completed");
}

#[test]
fn host_that_was_told_and_did_not_begin_is_called_back_when_its_time_is_over() {
    let mut walk = Walk::deploying(slotted(&[2], &[(0, 50), (0, 200)]));
    assert_eq!(walk.rollout.permission_for(&host("h0-0")), Some(Permission::Deploy));
    walk.after(49);
    assert_eq!(walk.host_state("h0-0"), HostState::Prepared);
    assert_eq!(walk.rollout.permission_for(&host("h0-0")), Some(Permission::Prepare));
    assert_eq!(walk.host_state("h0-1"), HostState::Due);
    // It had begun before it heard of it: that counts.
    walk.succeed("h0-0");
    assert!(matches!(walk.host_state("h0-0"), HostState::Succeeded { .. }));
}

#[test]
fn waiting_for_a_window_is_no_time_out() {
    // Its time-out of 100 s counts from its last opening.
    let mut walk = Walk::deploying(slotted(&[1], &[(1000, 2000)]));
    walk.after(999);
    assert_eq!(walk.rollout.state().to_string(), "deploying wave 1");
    walk.after(1);
    assert_eq!(walk.host_state("h0-0"), HostState::Due);
    walk.run("h0-0");
    walk.after(100);
    assert!(walk.rollout.state().to_string().contains("timed out"), "{}", walk.rollout.state());
}

#[test]
fn freeze_stops_what_has_not_begun_and_nothing_else() {
    let mut walk = Walk::deploying(plan(&[3]));
    walk.run("h0-0");
    walk.seconds = 10;
    walk.go(freeze(5, 60, Scope::default()));
    assert_eq!(
        walk.rollout.state().to_string(),
        "halted: freeze `year-end` from 1970-01-01T00:00:05Z until 1970-01-01T00:01:00Z: close of the year; host `h0-1` has not begun"
    );
    assert_eq!(
        walk.rollout.permission_for(&host("h0-0")),
        Some(Permission::Deploy),
        "it had begun"
    );
    assert_eq!(
        walk.rollout.permission_for(&host("h0-1")),
        Some(Permission::Withdrawn),
        "told, not begun"
    );
    walk.succeed("h0-0");
    walk.go(Event::Resumed);
    assert!(walk.rollout.state().to_string().starts_with("halted: freeze"));
    // After the freeze a person lets it go on.
    walk.seconds = 60;
    walk.go(Event::Resumed);
    assert_eq!(walk.rollout.state().to_string(), "deploying wave 1");
    assert_eq!(walk.rollout.permission_for(&host("h0-1")), Some(Permission::Deploy));
}

#[test]
fn freeze_that_begins_before_a_host_could_be_done_stops_it_too() {
    let mut walk = Walk::authorised(plan(&[1]));
    walk.go(freeze(1, 60, Scope::default()));
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert!(
        walk.rollout.state().to_string().starts_with("halted: freeze"),
        "2 s do not fit into 1 s"
    );
}

#[test]
fn freeze_of_another_site_and_an_ended_freeze_stop_nothing() {
    let elsewhere = Scope { sites: BTreeSet::from(["south".parse().unwrap()]), ..Scope::default() };
    let mut walk = Walk::authorised(plan(&[1]));
    walk.go(freeze(0, 60, elsewhere));
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert_eq!(walk.host_state("h0-0"), HostState::Due);
    let mut walk = Walk::authorised(plan(&[1]));
    walk.go(freeze(0, 60, Scope::default()));
    walk.go(Event::FreezesKnown { freezes: Vec::new() });
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert_eq!(walk.host_state("h0-0"), HostState::Due);
}

#[test]
fn emergency_that_was_agreed_to_goes_through_a_freeze() {
    let mut plan = plan(&[1]);
    plan.emergency = Some("a hole that is being used".to_owned());
    let mut walk = Walk::authorised(plan);
    walk.go(freeze(0, 60, Scope::default()));
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert_eq!(walk.host_state("h0-0"), HostState::Due);
}
