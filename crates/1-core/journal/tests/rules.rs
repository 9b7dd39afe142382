//! Rules of the fold that need another runbook: restarts, unrepeatable scripts, failing undo, staging.

use jiff::Timestamp;
use refit_journal::{
    Cause, Entry, EntryBody, INTERRUPTED, JournalBroken, LegSteps, Move, OrderOutcome, StageMove,
    StepResult, Verb, fold, next_stage,
};
use refit_names::{BuildId, Generation, RolloutName, StepId};
use refit_plan::OrderKey;

fn legs(steps: &str) -> Vec<LegSteps> {
    let (from, to) = (BuildId::parse("1").unwrap(), BuildId::parse("2").unwrap());
    vec![LegSteps { from, to, steps: serde_json::from_str(steps).unwrap(), repeatable: [].into() }]
}

fn id(text: &str) -> StepId {
    StepId::parse(text).unwrap()
}

fn chain(bodies: Vec<EntryBody>) -> Vec<Entry> {
    let order =
        OrderKey { rollout: RolloutName::parse("spring").unwrap(), generation: Generation::FIRST };
    let mut entries: Vec<Entry> = vec![];
    for (at, body) in bodies.into_iter().enumerate() {
        let last = entries.last().map(|entry| (entry.seq, entry.hash));
        let at = Timestamp::from_millisecond(at as i64 * 1000).unwrap();
        entries.push(Entry::new(last, at, order.clone(), body).unwrap());
    }
    entries
}

fn intent(step: &str, verb: Verb, attempt: u32) -> EntryBody {
    EntryBody::Intent { leg: 0, step: id(step), verb, attempt }
}
fn done(step: &str, verb: Verb) -> EntryBody {
    let result = StepResult::Done { note: String::new() };
    EntryBody::Outcome { leg: 0, step: id(step), verb, result, took_ms: 1 }
}
fn failed(step: &str, verb: Verb, text: &str) -> EntryBody {
    let result = StepResult::Failed { cause: cause(text) };
    EntryBody::Outcome { leg: 0, step: id(step), verb, result, took_ms: 1 }
}
fn cause(text: &str) -> Cause {
    Cause { code: "test.failed".into(), text: text.into() }
}
fn boot(boot_id: &str) -> EntryBody {
    EntryBody::RebootRequested { leg: 0, step: id("reboot"), boot_id: boot_id.into() }
}

fn not_needed(step: &str, verb: Verb) -> EntryBody {
    let result = StepResult::NotNeeded { note: String::new() };
    EntryBody::Outcome { leg: 0, step: id(step), verb, result, took_ms: 1 }
}

const WAKE: &str = r#"[
 {"id":"wake","phase":"before","do":{"service.start":{}}},
 {"id":"look","phase":"before","do":{"check.build":{}}}]"#;

#[test]
fn step_that_found_its_goal_reached_is_not_taken_back() {
    let look = [intent("look", Verb::Apply, 1), failed("look", Verb::Apply, "other build")];
    let back = EntryBody::RollbackDecided { leg: 0, cause: cause("other build") };
    let run = |wake: Vec<EntryBody>| {
        let begun = std::iter::once(EntryBody::DeployStarted {});
        let bodies = begun.chain(wake).chain(look.clone()).chain([back.clone()]).collect();
        fold(&legs(WAKE), &chain(bodies)).unwrap().next()
    };
    let idle = vec![intent("wake", Verb::Apply, 1), not_needed("wake", Verb::Apply)];
    assert!(matches!(run(idle), Move::Finish { outcome: OrderOutcome::RolledBack { .. } }));
    // A try that was cut off may have started it: then it is stopped again.
    let cut_off = vec![
        intent("wake", Verb::Apply, 1),
        intent("wake", Verb::Apply, 2),
        not_needed("wake", Verb::Apply),
    ];
    assert!(matches!(run(cut_off), Move::Run { verb: Verb::Undo, .. }));
}

const REBOOT: &str =
    r#"[{"id":"reboot","phase":"before","do":{"machine.reboot":{"within_ms":5000}}}]"#;

#[test]
fn restart_is_awaited_from_its_first_request() {
    let entries = chain(vec![
        EntryBody::DeployStarted {},
        intent("reboot", Verb::Apply, 1),
        boot("a"),
        boot("a"),
    ]);
    let since = Timestamp::from_millisecond(2000).unwrap();
    let expected =
        Move::AwaitBoot { leg: 0, id: id("reboot"), boot_id: "a".into(), since, within_ms: 5000 };
    assert_eq!(fold(&legs(REBOOT), &entries).unwrap().next(), expected);
    // Cut off before the request: asked for again.
    let next = fold(&legs(REBOOT), &entries[..2]).unwrap().next();
    assert!(matches!(next, Move::Run { attempt: 2, .. }), "{next:?}");
}

#[test]
fn restart_that_never_came_takes_the_leg_back() {
    let late = failed("reboot", Verb::Apply, "same boot after 5000 ms");
    let entries =
        chain(vec![EntryBody::DeployStarted {}, intent("reboot", Verb::Apply, 1), boot("a"), late]);
    let next = fold(&legs(REBOOT), &entries).unwrap().next();
    assert_eq!(next, Move::RollBack { leg: 0, cause: cause("same boot after 5000 ms") });
}

const SCRIPT: &str = r#"[
 {"id":"hold","phase":"before","do":{"service.hold":{"units":["a.service"]}}},
 {"id":"once","phase":"install","do":{"script.run":{"run":["once"]}},"retries":2},
 {"id":"twice","phase":"install","do":{"script.run":{"run":["twice"],"repeatable":true}},"retries":1}]"#;

#[test]
fn script_that_may_not_be_repeated_is_taken_back_after_a_crash() {
    let mut bodies = vec![EntryBody::DeployStarted {}];
    bodies.extend([
        intent("hold", Verb::Apply, 1),
        done("hold", Verb::Apply),
        intent("once", Verb::Apply, 1),
    ]);
    let next = fold(&legs(SCRIPT), &chain(bodies.clone())).unwrap().next();
    let Move::Interrupted { cause, .. } = next else { panic!("{next:?}") };
    assert_eq!(cause.code, INTERRUPTED);
    let result = StepResult::Failed { cause };
    bodies.push(EntryBody::Outcome {
        leg: 0,
        step: id("once"),
        verb: Verb::Apply,
        result,
        took_ms: 0,
    });
    let next = fold(&legs(SCRIPT), &chain(bodies)).unwrap().next();
    assert!(matches!(next, Move::RollBack { .. }), "{next:?}");
}

const MIGRATION: &str =
    r#"[{"id":"migrate","phase":"install","do":{"database.migrate":{"run":["up"]}}}]"#;

#[test]
fn migration_is_repeated_after_a_crash_only_where_its_pack_says_so() {
    let cut_off = chain(vec![EntryBody::DeployStarted {}, intent("migrate", Verb::Apply, 1)]);
    let mut known = legs(MIGRATION);
    let next = fold(&known, &cut_off).unwrap().next();
    assert!(matches!(next, Move::Interrupted { .. }), "{next:?}");
    known[0].repeatable = [id("migrate")].into();
    let next = fold(&known, &cut_off).unwrap().next();
    assert!(matches!(next, Move::Run { attempt: 2, .. }), "{next:?}");
}

#[test]
fn repeatable_script_is_tried_as_often_as_the_runbook_says() {
    let mut bodies = vec![EntryBody::DeployStarted {}];
    for step in ["hold", "once"] {
        bodies.extend([intent(step, Verb::Apply, 1), done(step, Verb::Apply)]);
    }
    bodies.extend([intent("twice", Verb::Apply, 1), failed("twice", Verb::Apply, "first")]);
    let next = fold(&legs(SCRIPT), &chain(bodies.clone())).unwrap().next();
    assert!(matches!(next, Move::Run { attempt: 2, .. }), "{next:?}");
    bodies.extend([intent("twice", Verb::Apply, 2), failed("twice", Verb::Apply, "second")]);
    let next = fold(&legs(SCRIPT), &chain(bodies)).unwrap().next();
    assert_eq!(next, Move::RollBack { leg: 0, cause: cause("second") });
}

#[test]
fn failed_undo_calls_a_person_with_both_causes_and_still_releases_holds() {
    let mut bodies = vec![EntryBody::DeployStarted {}];
    bodies.extend([intent("hold", Verb::Apply, 1), done("hold", Verb::Apply)]);
    bodies.extend([intent("once", Verb::Apply, 1), failed("once", Verb::Apply, "disk full")]);
    bodies.push(EntryBody::RollbackDecided { leg: 0, cause: cause("disk full") });
    for attempt in 1..=6 {
        bodies.extend([
            intent("once", Verb::Undo, attempt),
            failed("once", Verb::Undo, "still full"),
        ]);
    }
    let next = fold(&legs(SCRIPT), &chain(bodies.clone())).unwrap().next();
    assert!(
        matches!(&next, Move::Run { id, verb: Verb::Undo, .. } if id.as_str() == "hold"),
        "{next:?}"
    );
    bodies.extend([intent("hold", Verb::Undo, 1), done("hold", Verb::Undo)]);
    let next = fold(&legs(SCRIPT), &chain(bodies)).unwrap().next();
    let Move::Finish { outcome: OrderOutcome::NeedsPerson { cause } } = next else {
        panic!("{next:?}")
    };
    assert!(cause.text.contains("still full") && cause.text.contains("disk full"), "{cause:?}");
}

#[test]
fn step_that_takes_the_agent_down_each_time_is_given_up() {
    let mut bodies = vec![EntryBody::DeployStarted {}];
    bodies.extend((1..=6).map(|attempt| intent("hold", Verb::Apply, attempt)));
    let next = fold(&legs(SCRIPT), &chain(bodies)).unwrap().next();
    assert!(matches!(next, Move::Interrupted { .. }), "{next:?}");
}

#[test]
fn entry_out_of_order_is_refused() {
    let outcome = chain(vec![EntryBody::DeployStarted {}, done("hold", Verb::Apply)]);
    let skipped = chain(vec![EntryBody::DeployStarted {}, intent("once", Verb::Apply, 1)]);
    let early = chain(vec![intent("hold", Verb::Apply, 1)]);
    for entries in [outcome, skipped, early] {
        assert!(matches!(fold(&legs(SCRIPT), &entries), Err(JournalBroken::IllegalMove { .. })));
    }
}

const STAGE: &str = r#"[
 {"id":"lay","phase":"stage","do":{"install.stage":{}}},
 {"id":"venv","phase":"stage","do":{"script.run":{"run":["venv"]}}},
 {"id":"build","phase":"before","do":{"check.build":{}}}]"#;

#[test]
fn half_made_stage_begins_with_a_fresh_tree() {
    let mut bodies = vec![intent("lay", Verb::Apply, 1), done("lay", Verb::Apply)];
    let next = |bodies: &Vec<EntryBody>| next_stage(&legs(STAGE), &chain(bodies.clone())).unwrap();
    assert!(matches!(next(&bodies), StageMove::Run { step: 1, attempt: 1, .. }));
    bodies.push(intent("venv", Verb::Apply, 1));
    assert!(matches!(next(&bodies), StageMove::Run { step: 0, attempt: 2, .. }));
    bodies.extend([intent("lay", Verb::Apply, 2), done("lay", Verb::Apply)]);
    assert!(matches!(next(&bodies), StageMove::Run { step: 1, attempt: 2, .. }));
    bodies.extend([intent("venv", Verb::Apply, 2), done("venv", Verb::Apply)]);
    assert_eq!(next(&bodies), StageMove::Done);
    assert_eq!(fold(&legs(STAGE), &chain(bodies)).unwrap().next(), Move::Begin);
}
