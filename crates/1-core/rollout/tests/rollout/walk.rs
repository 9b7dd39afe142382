use crate::fleet::{Walk, at, build, host, person, plan};
use refit_names::{Coded, Digest, Generation};
use refit_plan::Advance;
use refit_rollout::{
    Effect, Event, HostReport, HostState, Permission, PrepareStage, Rollout, WavePhase,
};
use std::collections::BTreeSet;

fn phases(walk: &Walk) -> Vec<WavePhase> {
    walk.rollout.wave_states().into_iter().map(|wave| wave.phase).collect()
}

#[test]
fn a_rollout_walks_from_plan_to_completion() {
    let mut walk = Walk::deploying(plan(&[1, 3]));
    assert_eq!(walk.due(), ["h0-0"]);
    assert_eq!(walk.rollout.permission_for(&host("h0-0")), Some(Permission::Deploy));
    assert_eq!(walk.rollout.permission_for(&host("h1-0")), Some(Permission::Prepare));
    walk.succeed("h0-0");
    assert_eq!(phases(&walk), [WavePhase::Soaking, WavePhase::Waiting]);
    walk.after(9);
    assert_eq!(walk.due(), Vec::<&str>::new(), "still watched");
    walk.after(1);
    assert_eq!(walk.due(), ["h1-0", "h1-1"]);
    walk.succeed("h1-1");
    assert_eq!(walk.due(), ["h1-0", "h1-2"]);
    walk.succeed("h1-0");
    walk.succeed("h1-2");
    walk.after(10);
    assert_eq!(walk.state(), "completed");
    assert_eq!(phases(&walk), [WavePhase::Done, WavePhase::Done]);
}

#[test]
fn a_stored_rollout_goes_on_where_it_was() {
    let mut walk = Walk::deploying(plan(&[1, 3]));
    walk.run("h0-0");
    let json = serde_json::to_string(&walk.rollout).unwrap();
    walk.rollout = serde_json::from_str::<Rollout>(&json).unwrap();
    assert_eq!(serde_json::to_string(&walk.rollout).unwrap(), json);
    walk.succeed("h0-0");
    walk.after(10);
    assert_eq!(walk.due(), ["h1-0", "h1-1"]);
}

#[test]
fn the_author_counts_neither_as_approver_nor_as_authoriser() {
    let mut two = plan(&[1]);
    two.approvals_needed = 2;
    let mut walk = Walk::planned(two);
    assert_eq!(walk.agree("planner").unwrap_err().code(), "rollout.author-judges");
    walk.agree("owner").unwrap();
    walk.agree("owner").unwrap();
    assert_eq!(walk.state(), "planned", "the same person twice counts once");
    walk.agree("approver").unwrap();
    assert_eq!(walk.state(), "agreed");
    let mut walk = Walk::prepared(plan(&[1]));
    assert_eq!(walk.authorise("planner").unwrap_err().code(), "rollout.author-judges");
}

#[test]
fn agreement_is_bound_to_the_hash_and_lost_with_the_next_plan() {
    let mut walk = Walk::planned(plan(&[1]));
    let other = Event::Agreed { by: person("owner"), plan: Digest::of(b"other") };
    assert_eq!(walk.try_go(&other).unwrap_err().code(), "rollout.other-plan");
    walk.agree("owner").unwrap();
    let mut second = plan(&[2]);
    second.generation = Generation(2);
    let orphan = Event::PlanMade { plan: Box::new(second.clone()) };
    assert_eq!(walk.try_go(&orphan).unwrap_err().code(), "rollout.plan-not-successor");
    second.parent = walk.rollout.plan();
    walk.go(Event::PlanMade { plan: Box::new(second) });
    assert_eq!(walk.state(), "planned");
    assert!(walk.rollout.agreed_by().is_empty());
}

#[test]
fn nothing_is_prepared_without_agreement_and_nothing_runs_without_configuration() {
    let mut walk = Walk::planned(plan(&[1]));
    let refused = walk.try_go(&Event::PrepareRequested).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`prepare` cannot follow in state `planned`, expected `agreed`"
    );
    assert_eq!(walk.rollout.permission_for(&host("h0-0")), None);
    let mut walk = Walk::prepared(plan(&[1]));
    walk.authorise("authoriser").unwrap();
    let deploy = Event::DeployRequested { hosts: BTreeSet::new() };
    assert_eq!(walk.try_go(&deploy).unwrap_err().code(), "rollout.not-configured");
    let wide = Event::Configured { parallel: Some(3), advance: None };
    assert_eq!(walk.try_go(&wide).unwrap_err().code(), "rollout.limit");
}

#[test]
fn a_host_that_cannot_be_prepared_may_be_ignored() {
    let mut walk = Walk::planned(plan(&[2]));
    walk.agree("owner").unwrap();
    walk.go(Event::PrepareRequested);
    walk.say("h0-0", HostReport::Prepared);
    let stage = PrepareStage::ReplicateContent;
    walk.say("h0-1", HostReport::PrepareFailed { stage, cause: "disk is full".to_owned() });
    assert_eq!(walk.state(), "preparing");
    let why = walk.rollout.why(&host("h0-1"), crate::fleet::at(walk.seconds)).unwrap();
    assert_eq!(why.because, "its preparation failed at replicate content: disk is full");
    walk.ignore("h0-1");
    assert_eq!(walk.state(), "prepared");
    assert_eq!(walk.rollout.permission_for(&host("h0-1")), Some(Permission::Withdrawn));
}

#[test]
fn a_host_that_runs_without_having_been_told_is_refused() {
    let mut walk = Walk::prepared(plan(&[1]));
    let standing = HostReport::Running { phase: "protect".to_owned(), step: "stop".to_owned() };
    let event = Event::HostReported { host: host("h0-0"), standing };
    assert_eq!(walk.try_go(&event).unwrap_err().code(), "rollout.host-state");
}

#[test]
fn a_failure_within_the_budget_lets_the_wave_go_on() {
    let mut walk = Walk::deploying(plan(&[4]));
    walk.fail("h0-0");
    assert_eq!(walk.state(), "deploying wave 1");
    for name in ["h0-1", "h0-2", "h0-3"] {
        walk.succeed(name);
    }
    walk.after(10);
    assert_eq!(walk.state(), "completed");
    assert_eq!(walk.rollout.failures().len(), 1);
}

#[test]
fn the_wave_budget_halts_and_resuming_does_not_reset_the_ledger() {
    let mut walk = Walk::deploying(plan(&[6, 6]));
    walk.fail("h0-0");
    walk.fail("h0-1");
    assert_eq!(
        walk.state(),
        "halted: 2 failures in wave `wave-0`, its budget 1; last `h0-1`: database.migrate exited with 1"
    );
    assert_eq!(
        walk.rollout.permission_for(&host("h0-2")),
        Some(Permission::Withdrawn),
        "told to go, not begun"
    );
    walk.run("h0-2");
    assert_eq!(
        walk.rollout.permission_for(&host("h0-2")),
        Some(Permission::Deploy),
        "had begun: needs nobody"
    );
    walk.go(Event::Resumed);
    assert_eq!(walk.rollout.failures().len(), 2);
    walk.fail("h0-3");
    assert!(
        walk.state().starts_with("halted: 3 failures, budget of the rollout 2"),
        "{}",
        walk.state()
    );
    assert_eq!(walk.rollout.failures().len(), 3);
}

#[test]
fn a_host_that_says_the_same_again_is_counted_once() {
    let mut walk = Walk::deploying(plan(&[6]));
    walk.run("h0-0");
    let cause = "undo failed".to_owned();
    walk.say("h0-0", HostReport::NeedsPerson { cause: cause.clone() });
    walk.say("h0-0", HostReport::NeedsPerson { cause: cause.clone() });
    walk.say("h0-0", HostReport::RolledBack { build: build("1000"), cause });
    walk.ignore("h0-0");
    walk.say("h0-0", HostReport::RolledBack { build: build("1000"), cause: "again".to_owned() });
    assert_eq!(walk.rollout.failures().len(), 1);
    assert_eq!(walk.rollout.host(&host("h0-0")).unwrap().state.name(), "ignored");
}

#[test]
fn a_goal_that_cannot_be_reached_halts_at_once_and_a_person_may_waive_it() {
    let mut narrow = plan(&[4, 1]);
    narrow.waves[0].goal = refit_names::Percent::new(80).unwrap();
    let mut walk = Walk::deploying(narrow);
    walk.fail("h0-0");
    assert_eq!(
        walk.state(),
        "halted: wave `wave-0` cannot reach its goal of 80 %: 1 of 4 hosts failed"
    );
    walk.go(Event::Resumed);
    for name in ["h0-1", "h0-2", "h0-3"] {
        walk.succeed(name);
    }
    walk.after(10);
    assert_eq!(walk.due(), ["h1-0"]);
}

#[test]
fn a_silent_host_times_the_wave_out_and_three_ways_lead_on() {
    let silent = || {
        let mut walk = Walk::deploying(plan(&[2]));
        walk.succeed("h0-0");
        walk.after(100);
        assert_eq!(walk.state(), "halted: wave `wave-0` timed out; not finished: h0-1");
        walk
    };
    let mut cancelled = silent();
    cancelled.go(Event::Cancelled { because: "wrong week".to_owned() });
    assert_eq!(cancelled.state(), "cancelled: wrong week");
    let mut cleared = silent();
    cleared.go(Event::Resumed);
    cleared.after(99);
    assert_eq!(cleared.state(), "deploying wave 1", "the clock was restarted");
    let mut ignored = silent();
    ignored.ignore("h0-1");
    ignored.go(Event::Resumed);
    ignored.after(10);
    assert_eq!(ignored.state(), "completed");
}

#[test]
fn a_manual_wave_waits_for_a_person_and_not_before_its_soak() {
    let mut walk = Walk::authorised(plan(&[1, 1]));
    walk.go(Event::Configured { parallel: Some(1), advance: Some(Advance::Manual) });
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert_eq!(
        walk.try_go(&Event::Advanced).unwrap_err().to_string(),
        "wave `wave-0` is not ready to be left: not finished: 1 host"
    );
    walk.succeed("h0-0");
    assert_eq!(walk.try_go(&Event::Advanced).unwrap_err().code(), "rollout.wave-not-done");
    walk.after(1000);
    assert_eq!(walk.due(), Vec::<&str>::new());
    let why = walk.rollout.why(&host("h1-0"), crate::fleet::at(walk.seconds)).unwrap();
    assert_eq!(why.unblocked_by, "`refit rollout advance`, when it was watched long enough");
    walk.go(Event::Advanced);
    assert_eq!(walk.due(), ["h1-0"]);
}

#[test]
fn selected_hosts_go_first_and_the_waves_follow() {
    let mut walk = Walk::authorised(plan(&[1, 3]));
    let selected = BTreeSet::from([host("h1-2"), host("h1-0")]);
    walk.go(Event::DeployRequested { hosts: selected });
    assert_eq!(walk.due(), ["h1-0", "h1-2"]);
    let why = walk.rollout.why(&host("h0-0"), crate::fleet::at(walk.seconds)).unwrap();
    assert_eq!(why.because, "only selected hosts are deployed now");
    walk.succeed("h1-0");
    walk.succeed("h1-2");
    assert_eq!(walk.state(), "authorised");
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    walk.succeed("h0-0");
    walk.after(10);
    assert_eq!(walk.due(), ["h1-1"]);
    walk.succeed("h1-1");
    walk.after(10);
    assert_eq!(walk.state(), "completed");
}

#[test]
fn a_pause_stops_new_hosts_and_calls_back_those_that_have_not_begun() {
    let mut walk = Walk::deploying(plan(&[3]));
    walk.run("h0-0");
    let effects = walk.go(Event::Paused { because: "fire drill".to_owned() });
    assert!(
        effects.contains(&Effect::Permit {
            host: host("h0-1"),
            permission: Some(Permission::Withdrawn)
        })
    );
    walk.succeed("h0-0");
    assert_eq!(walk.due(), ["h0-1"], "called back, still counted");
    assert_eq!(
        walk.rollout.why(&host("h0-2"), crate::fleet::at(walk.seconds)).unwrap().because,
        "the rollout is paused: fire drill"
    );
    walk.go(Event::Resumed);
    assert_eq!(walk.due(), ["h0-1", "h0-2"]);
}

#[test]
fn a_cancelled_host_that_had_begun_may_still_say_how_it_ended() {
    let mut walk = Walk::deploying(plan(&[3]));
    walk.go(Event::Cancelled { because: "wrong week".to_owned() });
    assert_eq!(walk.rollout.permission_for(&host("h0-0")), Some(Permission::Withdrawn));
    walk.succeed("h0-0");
    let state = &walk.rollout.host(&host("h0-0")).unwrap().state;
    assert_eq!(*state, HostState::Succeeded { build: build("1100") });
    assert_eq!(walk.due(), Vec::<&str>::new());
}

#[test]
fn the_next_moment_of_interest_is_announced() {
    let mut walk = Walk::authorised(plan(&[1]));
    let effects = walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert!(effects.contains(&Effect::TickAt { at: at(100) }), "{effects:?}");
    walk.seconds = 5;
    walk.run("h0-0");
    let done = HostReport::Succeeded { build: build("1100") };
    let effects = walk.go(Event::HostReported { host: host("h0-0"), standing: done });
    assert!(effects.contains(&Effect::TickAt { at: at(15) }), "{effects:?}");
}

#[test]
fn a_wave_of_ignored_hosts_is_over_at_once() {
    let mut walk = Walk::prepared(plan(&[1, 1]));
    walk.ignore("h0-0");
    walk.authorise("authoriser").unwrap();
    walk.go(Event::Configured { parallel: None, advance: None });
    walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
    assert_eq!(walk.due(), ["h1-0"]);
}
