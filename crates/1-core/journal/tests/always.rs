//! Steps that always run: once, whatever happened, also after the way back, and their failure hides nothing.

use jiff::Timestamp;
use refit_journal::{
    Cause, Entry, EntryBody, LegSteps, Move, OrderOutcome, StepResult, Verb, fold,
};
use refit_names::{BuildId, Generation, RolloutName};
use refit_plan::OrderKey;
use std::collections::BTreeMap;

const STEPS: &str = r#"[
 {"id":"hold","phase":"protect","do":{"service.hold":{"units":["scanner.service"]}}},
 {"id":"stop","phase":"protect","do":{"service.stop":{}}},
 {"id":"switch","phase":"install","do":{"install.switch":{}}},
 {"id":"tidy","phase":"after","always":true,"do":{"script.run":{"run":["tidy"],"undo":["untidy"]}}},
 {"id":"start","phase":"after","do":{"service.start":{}}},
 {"id":"open","phase":"after","do":{"traffic.open":{"open":["bin/gate","open"]}}},
 {"id":"look","phase":"finish","do":{"check.build":{}}},
 {"id":"logs","phase":"finish","always":true,"retries":1,"do":{"evidence.logs":{}}}]"#;

const NAMES: [&str; 8] = ["hold", "stop", "switch", "tidy", "start", "open", "look", "logs"];

fn legs() -> Vec<LegSteps> {
    let (from, to) = (BuildId::parse("1").unwrap(), BuildId::parse("2").unwrap());
    vec![LegSteps { from, to, steps: serde_json::from_str(STEPS).unwrap(), repeatable: [].into() }]
}

fn write(entries: &mut Vec<Entry>, body: EntryBody) {
    let order =
        OrderKey { rollout: RolloutName::parse("spring").unwrap(), generation: Generation::FIRST };
    let last = entries.last().map(|entry| (entry.seq, entry.hash));
    let at = Timestamp::from_millisecond(entries.len() as i64 * 1000).unwrap();
    entries.push(Entry::new(last, at, order, body).unwrap());
}

/// Goes on to the end; the named steps fail whenever they are applied.
fn finish(entries: &mut Vec<Entry>, failing: &[&str]) -> OrderOutcome {
    for _ in 0..200 {
        let next = fold(&legs(), entries).unwrap().next();
        let body = match next {
            Move::Begin => EntryBody::DeployStarted {},
            Move::Run { leg, id, verb, attempt, .. } => {
                write(entries, EntryBody::Intent { leg, step: id.clone(), verb, attempt });
                let fails = verb == Verb::Apply && failing.contains(&id.as_str());
                let result = if fails {
                    let (code, text) = ("test.failed".to_owned(), format!("{id} broke"));
                    StepResult::Failed { cause: Cause { code, text } }
                } else {
                    StepResult::Done { note: String::new() }
                };
                EntryBody::Outcome { leg, step: id, verb, result, took_ms: 1 }
            }
            Move::Interrupted { leg, id, cause } => {
                let result = StepResult::Failed { cause };
                EntryBody::Outcome { leg, step: id, verb: Verb::Apply, result, took_ms: 0 }
            }
            Move::RollBack { leg, cause } => EntryBody::RollbackDecided { leg, cause },
            Move::EndLeg { leg, build } => EntryBody::LegDone { leg, build },
            Move::Finish { outcome } => EntryBody::Finished { outcome },
            Move::Rest { outcome } => return outcome,
            other => panic!("{other:?}"),
        };
        write(entries, body);
    }
    panic!("the run does not end: {:?}", entries.last());
}

/// How often each step came to an end, and the verbs of those that were taken back.
fn ends(entries: &[Entry]) -> BTreeMap<(String, &'static str), usize> {
    let mut found = BTreeMap::new();
    for entry in entries {
        if let EntryBody::Outcome { step, verb, .. } = &entry.body {
            *found.entry((step.to_string(), verb.name())).or_default() += 1;
        }
    }
    found
}

#[test]
fn what_always_runs_ran_when_an_order_ends_however_it_was_cut_off() {
    for fails in std::iter::once(None).chain(NAMES.map(Some)) {
        let failing: Vec<&str> = fails.into_iter().collect();
        let mut whole = vec![];
        finish(&mut whole, &failing);
        for cut in 0..whole.len() {
            let mut entries = whole[..cut].to_vec();
            let outcome = finish(&mut entries, &failing);
            let ends = ends(&entries);
            for always in ["tidy", "logs"] {
                assert!(
                    ends.contains_key(&(always.to_owned(), Verb::Apply.name())),
                    "{fails:?} {cut} {always}"
                );
                assert!(
                    !ends.contains_key(&(always.to_owned(), Verb::Undo.name())),
                    "{fails:?} {cut} {always}"
                );
            }
            let told = match &outcome {
                OrderOutcome::Succeeded { .. } => "",
                OrderOutcome::RolledBack { cause, .. } | OrderOutcome::NeedsPerson { cause } => {
                    &cause.text
                }
            };
            let cut_off = told.contains("was cut off");
            assert!(
                cut_off || told.is_empty() || told.starts_with(fails.unwrap()),
                "{fails:?} {cut}: {told}"
            );
        }
    }
}

#[test]
fn a_failure_of_what_always_runs_does_not_hide_the_cause() {
    let mut entries = vec![];
    let outcome = finish(&mut entries, &["start", "logs"]);
    let OrderOutcome::RolledBack { cause, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(cause.text, "start broke");
    // Its own retry is used, and then it is let be.
    assert_eq!(ends(&entries).get(&("logs".to_owned(), Verb::Apply.name())), Some(&2));
    let last: Vec<_> = entries.iter().rev().take(2).map(|entry| &entry.body).collect();
    assert!(
        matches!(last[..], [EntryBody::Finished { .. }, EntryBody::Outcome { .. }]),
        "{last:?}"
    );
}

#[test]
fn after_clients_came_in_it_runs_before_a_person_is_called() {
    let mut entries = vec![];
    let outcome = finish(&mut entries, &["look"]);
    assert!(matches!(&outcome, OrderOutcome::NeedsPerson { cause } if cause.text == "look broke"));
    assert_eq!(ends(&entries).get(&("logs".to_owned(), Verb::Apply.name())), Some(&1));
}

#[test]
fn of_a_leg_that_was_never_begun_nothing_runs() {
    let mut entries = vec![];
    write(&mut entries, EntryBody::DeployStarted {});
    let cause = Cause { code: "window.no-time-left".into(), text: "too late".into() };
    write(&mut entries, EntryBody::RollbackDecided { leg: 0, cause });
    let next = fold(&legs(), &entries).unwrap().next();
    assert!(matches!(next, Move::Finish { outcome: OrderOutcome::RolledBack { .. } }), "{next:?}");
}
