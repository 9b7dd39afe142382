//! Whatever happens, in whatever order, the limits hold.

use crate::fleet::{Walk, at, build, host, person, plan};
use proptest::prelude::*;
use refit_names::HostName;
use refit_rollout::{
    Event, HostReport, HostState, Permission, PrepareStage, Rollout, RolloutState,
};
use std::collections::BTreeSet;

const SIZES: [u32; 3] = [2, 4, 5];

fn any_host() -> impl Strategy<Value = HostName> {
    (0usize..3, 0u32..5).prop_map(|(wave, n)| host(&format!("h{wave}-{}", n % SIZES[wave])))
}

fn any_report() -> impl Strategy<Value = HostReport> {
    let cause = || "broken".to_owned();
    prop_oneof![
        3 => Just(HostReport::Running { phase: "protect".to_owned(), step: "stop".to_owned() }),
        6 => Just(HostReport::Succeeded { build: build("1100") }),
        1 => Just(HostReport::RolledBack { build: build("1000"), cause: cause() }),
        1 => Just(HostReport::NeedsPerson { cause: cause() }),
        1 => Just(HostReport::Refused { cause: cause() }),
        1 => Just(HostReport::Prepared),
        1 => Just(HostReport::PrepareFailed { stage: PrepareStage::Finalise, cause: cause() }),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let limit = prop_oneof![Just(None), (1u32..4).prop_map(Some)];
    prop_oneof![
        30 => (any_host(), any_report()).prop_map(|(host, standing)| Event::HostReported { host, standing }),
        8 => Just(Event::Tick),
        4 => Just(Event::Resumed),
        2 => Just(Event::Paused { because: "drill".to_owned() }),
        2 => Just(Event::Advanced),
        2 => any_host().prop_map(|host| Event::HostIgnored { host, because: "broken".to_owned() }),
        2 => limit.prop_map(|parallel| Event::Configured { parallel, advance: None }),
        2 => Just(Event::DeployRequested { hosts: BTreeSet::new() }),
        2 => proptest::collection::btree_set(any_host(), 1..4).prop_map(|hosts| Event::DeployRequested { hosts }),
        1 => Just(Event::PrepareRequested),
    ]
}

/// What must hold between two moments.
fn judge(before: &Rollout, after: &Rollout) {
    assert!(after.failures().starts_with(before.failures()), "the ledger lost a line");
    for (at, wave) in (0u32..).zip(after.wave_states()) {
        assert!(wave.in_flight <= 2, "{} hosts of wave {at} at once", wave.in_flight);
    }
    for (old, new) in before.hosts().iter().zip(after.hosts()) {
        if old.due_at.is_none() && new.due_at.is_some() {
            let running = RolloutState::Deploying { wave: new.wave };
            assert_eq!(*after.state(), running, "host {} started outside its wave", new.host);
        }
    }
    let failed = after.hosts().iter().filter(|host| {
        matches!(host.state, HostState::RolledBack { .. } | HostState::NeedsPerson { .. })
    });
    assert!(failed.count() <= after.failures().len(), "a failure is missing in the ledger");
    if *after.state() == RolloutState::Completed {
        assert!(
            after.hosts().iter().all(|host| !host.in_flight()),
            "completed with a host on its way"
        );
    }
    if let (RolloutState::Deploying { .. }, grown) =
        (after.state(), after.failures().len() > before.failures().len())
    {
        assert!(
            !grown || after.failures().len() <= 2,
            "the budget was exceeded and nothing halted"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_events_never_break_a_limit(events in proptest::collection::vec((any_event(), 0i64..40), 1..150)) {
        let mut walk = Walk::authorised(plan(&SIZES));
        walk.go(Event::DeployRequested { hosts: BTreeSet::new() });
        for (event, seconds) in events {
            let before = walk.rollout.clone();
            walk.seconds += seconds;
            let moved = walk.try_go(&event);
            if let Event::HostReported { host, standing } = &event
                && !before.is_news(host, standing)
            {
                prop_assert_eq!(walk.rollout.host(host).map(|h| &h.ended_at), before.host(host).map(|h| &h.ended_at));
                prop_assert!(moved.is_ok(), "old news were refused");
                prop_assert_eq!(walk.rollout.failures(), before.failures());
            }
            prop_assert!(moved.is_ok() || walk.rollout == before);
            judge(&before, &walk.rollout);
            if moved.is_err() {
                continue;
            }
            let again = walk.rollout.next(&Event::Tick, crate::fleet::at(walk.seconds)).unwrap();
            prop_assert_eq!(&again.rollout, &walk.rollout, "a second look at the same moment changed something");
        }
    }

    #[test]
    fn only_the_current_plan_and_other_people_open_the_gates(names in proptest::collection::vec(0usize..3, 0..6)) {
        let people = ["planner", "owner", "approver"];
        let mut needs_two = plan(&[1]);
        needs_two.approvals_needed = 2;
        let mut walk = Walk::planned(needs_two);
        let mut counted = BTreeSet::new();
        for name in names {
            let _ = walk.agree(people[name]);
            if name != 0 { counted.insert(person(people[name])); }
        }
        prop_assert_eq!(walk.rollout.agreed_by(), &counted);
        prop_assert_eq!(*walk.rollout.state() == RolloutState::Agreed, counted.len() >= 2);
    }
}

#[test]
fn with_a_withdrawn_pack_nobody_begins_and_whoever_runs_is_left_alone() {
    let mut walk = Walk::deploying(plan(&[3, 1]));
    walk.run("h0-0");
    let because = "pack to 1100 was withdrawn: damages indexes";
    walk.go(Event::PackWithdrawn { because: because.to_owned() });
    assert!(
        matches!(walk.rollout.state(), RolloutState::Halted { because: found, .. } if found == because)
    );
    let may = |name: &str| walk.rollout.permission_for(&host(name));
    assert_eq!(may("h0-0"), Some(Permission::Deploy));
    for name in ["h0-1", "h0-2", "h1-0"] {
        assert_eq!(may(name), Some(Permission::Withdrawn), "{name}");
        assert_eq!(
            walk.rollout.why(&host(name), crate::fleet::at(walk.seconds)).unwrap().because,
            because,
            "{name}"
        );
    }
    let refused = walk.rollout.next(&Event::Resumed, at(60)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`resume` cannot follow: pack to 1100 was withdrawn: damages indexes; expected a plan without it"
    );
    walk.succeed("h0-0");
    assert!(matches!(walk.rollout.state(), RolloutState::Halted { .. }));
}

#[test]
fn a_new_plan_frees_a_rollout_that_was_not_deployed_from_a_withdrawn_pack() {
    let mut walk = Walk::prepared(plan(&[1]));
    walk.go(Event::PackWithdrawn { because: "taken back".to_owned() });
    assert_eq!(walk.rollout.permission_for(&host("h0-0")), Some(Permission::Withdrawn));
    let mut next = plan(&[1]);
    next.parent = walk.rollout.plan();
    next.generation = next.generation.next();
    walk.go(Event::PlanMade { plan: Box::new(next) });
    assert_eq!(walk.rollout.withdrawn(), None);
    walk.agree("owner").unwrap();
}
