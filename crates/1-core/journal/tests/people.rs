//! A question in the fold: what each answer leads to, and that a restart changes neither the question nor its deadline.

use jiff::Timestamp;
use refit_journal::{
    Answer, AnsweredBy, Entry, EntryBody, JournalBroken, LegSteps, Move, OrderOutcome, StepResult,
    Verb, fold,
};
use refit_names::{BuildId, Digest, Generation, PersonName, RolloutName, StepId};
use refit_packs::runbook::{AskedRole, Given};
use refit_plan::OrderKey;

const ASK: &str = r#"[
 {"id":"look","phase":"before","severity":"advisory","do":{"test":{"name":"look","probe":{"tcp":{"port":80}}}}},
 {"id":"way","phase":"before","do":{"people.decide":{"ask":"operator","question":"how?","within_ms":60000,
   "choices":{"on":{"about":"go","then":"go-on"},"back":{"about":"stop","then":"roll-back"},"again":{"about":"look","then":"repeat"}}}}},
 {"id":"sure","phase":"before","do":{"people.confirm":{"ask":"application-owner","question":"sure?","within_ms":60000}}}]"#;

fn legs() -> Vec<LegSteps> {
    let (from, to) = (BuildId::parse("1").unwrap(), BuildId::parse("2").unwrap());
    vec![LegSteps { from, to, steps: serde_json::from_str(ASK).unwrap(), repeatable: [].into() }]
}

fn id(text: &str) -> StepId {
    StepId::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Entries a second apart, the first at second 0.
fn chain(bodies: &[EntryBody]) -> Vec<Entry> {
    let rollout = RolloutName::parse("spring").unwrap();
    let order = OrderKey { rollout, generation: Generation::FIRST };
    let mut entries: Vec<Entry> = vec![];
    for (second, body) in (0..).zip(bodies) {
        let last = entries.last().map(|entry| (entry.seq, entry.hash));
        entries.push(Entry::new(last, at(second), order.clone(), body.clone()).unwrap());
    }
    entries
}

fn intent(step: &str, attempt: u32) -> EntryBody {
    EntryBody::Intent { leg: 0, step: id(step), verb: Verb::Apply, attempt }
}

fn done(step: &str) -> EntryBody {
    let result = StepResult::Done { note: String::new() };
    EntryBody::Outcome { leg: 0, step: id(step), verb: Verb::Apply, result, took_ms: 1 }
}

fn answered(step: &str, given: Option<Given>) -> EntryBody {
    let by = match &given {
        Some(_) => AnsweredBy::Person {
            name: PersonName::parse("owner").unwrap(),
            role: AskedRole::Operator,
        },
        None => AnsweredBy::Deadline {},
    };
    let answer = Answer { given, by, at: at(30), reason: "because".into() };
    EntryBody::Answered { leg: 0, step: id(step), answer }
}

fn choice(name: &str) -> Option<Given> {
    Some(Given::Choice { choice: name.parse().unwrap() })
}

fn next(bodies: &[EntryBody]) -> Move {
    fold(&legs(), &chain(bodies)).unwrap().next()
}

fn asking() -> Vec<EntryBody> {
    vec![EntryBody::DeployStarted {}, intent("look", 1), done("look"), intent("way", 1)]
}

/// Before `sure`: `way` was answered with going on.
fn at_sure() -> Vec<EntryBody> {
    let mut bodies = asking();
    bodies.extend([answered("way", choice("on")), done("way"), intent("sure", 1)]);
    bodies
}

#[test]
fn question_is_awaited_from_its_first_intent_whatever_else_is_written() {
    let waits = |bodies: &[EntryBody]| match next(bodies) {
        Move::AwaitAnswer { step, since, within_ms, .. } => (step, since, within_ms),
        other => panic!("{other:?}"),
    };
    let mut bodies = asking();
    assert_eq!(waits(&bodies), (1, at(3), 60_000));
    // A second intent, as of an agent that restarted, does not begin a new deadline.
    bodies.push(intent("way", 2));
    assert_eq!(waits(&bodies), (1, at(3), 60_000));
}

#[test]
fn answer_ends_the_step_once_as_it_says() {
    let conclude = |bodies: &[EntryBody]| match next(bodies) {
        Move::Conclude { result, took_ms, .. } => (result, took_ms),
        other => panic!("{other:?}"),
    };
    let with = |mut bodies: Vec<EntryBody>, step, given| {
        bodies.push(answered(step, given));
        conclude(&bodies)
    };
    let (result, took_ms) = with(asking(), "way", choice("on"));
    assert_eq!(took_ms, 27_000);
    let StepResult::Done { note } = result else { panic!("{result:?}") };
    assert!(note.contains("on, by owner as operator") && note.contains("because"), "{note}");
    let digest = Digest::of(b"x");
    let file = Given::File { name: "x.png".into(), digest, size: refit_names::ByteSize(1) };
    for (bodies, step, given, code) in [
        (asking(), "way", choice("back"), Some("people.roll-back-chosen")),
        (asking(), "way", None, Some("people.no-answer")),
        (at_sure(), "sure", Some(Given::No {}), Some("people.declined")),
        (at_sure(), "sure", None, Some("people.no-answer")),
        (at_sure(), "sure", Some(Given::Yes {}), None),
        (at_sure(), "sure", Some(file), None),
    ] {
        let (result, _) = with(bodies, step, given.clone());
        let found = match &result {
            StepResult::Failed { cause } => Some(cause.code.as_str()),
            _ => None,
        };
        assert_eq!(found, code, "{given:?}");
    }
}

#[test]
fn no_takes_the_leg_back_without_asking_again() {
    let mut bodies = at_sure();
    bodies.push(answered("sure", Some(Given::No {})));
    let Move::Conclude { result, .. } = next(&bodies) else { panic!() };
    let outcome =
        EntryBody::Outcome { leg: 0, step: id("sure"), verb: Verb::Apply, result, took_ms: 1 };
    bodies.push(outcome);
    let Move::RollBack { cause, .. } = next(&bodies) else { panic!("{:?}", next(&bodies)) };
    assert_eq!(cause.code, "people.declined");
    bodies.push(EntryBody::RollbackDecided { leg: 0, cause });
    assert!(matches!(next(&bodies), Move::Finish { outcome: OrderOutcome::RolledBack { .. } }));
}

#[test]
fn repeat_does_the_step_before_once_more_and_asks_anew() {
    let mut bodies = asking();
    bodies.push(answered("way", choice("again")));
    let again = next(&bodies);
    assert!(
        matches!(&again, Move::Run { id, attempt: 2, .. } if id.as_str() == "look"),
        "{again:?}"
    );
    bodies.extend([intent("look", 2), done("look")]);
    let again = next(&bodies);
    assert!(
        matches!(&again, Move::Run { id, attempt: 2, .. } if id.as_str() == "way"),
        "{again:?}"
    );
    bodies.push(intent("way", 2));
    // The new asking has a deadline of its own.
    assert!(matches!(next(&bodies), Move::AwaitAnswer { since, attempt: 2, .. } if since == at(7)));
    bodies.push(answered("way", choice("on")));
    assert!(matches!(next(&bodies), Move::Conclude { result: StepResult::Done { .. }, .. }));
}

#[test]
fn repeating_has_an_end() {
    let mut bodies = asking();
    for round in 2..60 {
        bodies.push(answered("way", choice("again")));
        match next(&bodies) {
            Move::Run { .. } => {}
            Move::Conclude { result: StepResult::Failed { cause }, .. } => {
                assert_eq!(cause.code, "people.too-many-repeats");
                return;
            }
            other => panic!("{other:?}"),
        }
        bodies.extend([intent("look", round), done("look"), intent("way", round)]);
    }
    panic!("it never ends");
}

#[test]
fn answer_that_cannot_stand_there_is_refused() {
    let yes = || Some(Given::Yes {});
    let early = vec![EntryBody::DeployStarted {}, answered("way", yes())];
    let mut twice = asking();
    twice.extend([answered("way", choice("on")), answered("way", choice("on"))]);
    let unasked = vec![EntryBody::DeployStarted {}, intent("look", 1), answered("look", yes())];
    for bodies in [early, twice, unasked] {
        let folded = fold(&legs(), &chain(&bodies));
        assert!(matches!(folded, Err(JournalBroken::IllegalMove { .. })), "{folded:?}");
    }
}

/// One line per entry of a run with every answer: what was written, and what a host that stops there does next.
#[test]
fn what_a_host_does_after_each_entry_of_a_question_is_kept() {
    let mut bodies = asking();
    bodies.extend([answered("way", choice("again")), intent("look", 2), done("look")]);
    bodies.extend([intent("way", 2), answered("way", choice("on")), done("way")]);
    bodies.extend([intent("sure", 1), answered("sure", Some(Given::Yes {})), done("sure")]);
    let mut text = String::new();
    for cut in 0..=bodies.len() {
        let written = match cut.checked_sub(1).map(|last| &bodies[last]) {
            None => "(nothing)".to_owned(),
            Some(EntryBody::Intent { step, attempt, .. }) => format!("intent {step} {attempt}"),
            Some(EntryBody::Outcome { step, .. }) => format!("outcome {step}"),
            Some(EntryBody::Answered { step, answer, .. }) => {
                format!("answered {step}: {}", answer.given.as_ref().unwrap())
            }
            Some(other) => format!("{other:?}"),
        };
        let next = match next(&bodies[..cut]) {
            Move::Run { id, attempt, .. } => format!("run {id} {attempt}"),
            Move::AwaitAnswer { id, attempt, since, .. } => {
                format!("await {id} {attempt} since second {}", since.as_second())
            }
            Move::Conclude { id, .. } => format!("conclude {id}"),
            Move::EndLeg { .. } => "end leg".to_owned(),
            other => format!("{other:?}"),
        };
        text.push_str(&format!("{written:<24} → {next}\n"));
    }
    insta::assert_snapshot!("question", text);
}
