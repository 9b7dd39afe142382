//! What a finished order proves, read from its journal alone, so that it is the same after any crash.

use crate::{context::restored_key, engine::EngineInput};
use jiff::Timestamp;
use refit_backup::Sealed;
use refit_journal::{Entry, EntryBody, LegSteps, OrderOutcome, StepResult, Verb};
use refit_names::{BuildId, Digest, StepId};
use refit_packs::runbook::{Phase, Severity, Step, StepKind};
use refit_protocol::{
    agent::{PrepareEvidence, RunEvidence, StepRecord, TestPair, TestResult},
    question::AnswerRecord,
};
use std::{collections::BTreeMap, fs};

pub(crate) fn collect(
    input: &EngineInput,
    legs: &[LegSteps],
    entries: &[Entry],
    prepare: PrepareEvidence,
) -> RunEvidence {
    let begun = entries.iter().find(|entry| entry.body == EntryBody::DeployStarted {});
    let now = input.clock.now();
    let build_before = legs.first().map(|leg| leg.from.clone());
    let build_before = build_before.unwrap_or_else(|| input.order.legs[0].from.clone());
    RunEvidence {
        build_after: build_after(legs, entries, &build_before),
        build_before,
        started_at: begun.map_or(now, |entry| entry.at),
        finished_at: entries.last().map_or(now, |entry| entry.at),
        downtime_ms: (0..legs.len()).map(|leg| downtime_ms(legs, entries, leg)).sum(),
        prepare,
        tests: tests(legs, entries),
        steps: entries.iter().filter_map(|entry| record(legs, entry)).collect(),
        answers: answers(legs, entries),
        backups: backups(input, legs.len()),
        restored: (0..).take(legs.len()).filter_map(|leg| restored(input, leg)).collect(),
        packs: input.order.legs.iter().map(|leg| leg.pack.digest).collect(),
        journal_head: entries.last().map_or(Digest::ZERO, |entry| entry.hash),
    }
}

/// What came back of a leg's unit; none when nothing did, or the journal cannot say.
fn restored(input: &EngineInput, leg: u32) -> Option<String> {
    input.log.recall(&input.order.key, &restored_key(leg)).ok().flatten()
}

fn build_after(legs: &[LegSteps], entries: &[Entry], before: &BuildId) -> BuildId {
    let mut build = before.clone();
    for entry in entries {
        match &entry.body {
            EntryBody::LegDone { build: now, .. }
            | EntryBody::Finished {
                outcome:
                    OrderOutcome::Succeeded { build: now } | OrderOutcome::RolledBack { build: now, .. },
            } => build = now.clone(),
            // From here on the leg's new build is the one that stays.
            EntryBody::Intent { leg, step, verb: Verb::Apply, .. } => {
                let found = find(legs, *leg, step);
                if let (Some(leg), Some(StepKind::TrafficOpen { .. })) =
                    (legs.get(*leg as usize), found.map(|step| &step.kind))
                {
                    build = leg.to.clone();
                }
            }
            _ => {}
        }
    }
    build
}

fn find<'a>(legs: &'a [LegSteps], leg: u32, id: &StepId) -> Option<&'a Step> {
    legs.get(leg as usize)?.steps.iter().find(|step| step.id == *id)
}

/// From asking the service to close (or to stop) until it was open (or started) again, forward or back.
fn downtime_ms(legs: &[LegSteps], entries: &[Entry], leg: usize) -> u64 {
    let gated =
        legs[leg].steps.iter().any(|step| matches!(step.kind, StepKind::TrafficOpen { .. }));
    let (mut down, mut up): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for entry in entries {
        let (EntryBody::Intent { leg: at, step, verb, .. }
        | EntryBody::Outcome { leg: at, step, verb, .. }) = &entry.body
        else {
            continue;
        };
        let (true, Some(step)) = (*at as usize == leg, find(legs, *at, step)) else { continue };
        let done = match &entry.body {
            EntryBody::Outcome { result, .. } => !matches!(result, StepResult::Failed { .. }),
            _ => false,
        };
        match (&step.kind, verb, done) {
            (kind, _, _) if !kind.units().is_empty() => {}
            (StepKind::TrafficClose { .. } | StepKind::ServiceStop { .. }, Verb::Apply, false)
                if matches!(entry.body, EntryBody::Intent { .. }) =>
            {
                down = down.or(Some(entry.at));
            }
            (StepKind::TrafficOpen { .. }, Verb::Apply, true)
            | (StepKind::TrafficClose { .. } | StepKind::ServiceStop { .. }, Verb::Undo, true) => {
                up = Some(entry.at);
            }
            (StepKind::ServiceStart { .. }, Verb::Apply, true) if !gated => up = Some(entry.at),
            _ => {}
        }
    }
    let Some(down) = down else { return 0 };
    // Never served again: until the last thing that is known.
    let up = up.or_else(|| entries.last().map(|entry| entry.at)).unwrap_or(down);
    u64::try_from(up.duration_since(down).as_millis()).unwrap_or(0)
}

fn record(legs: &[LegSteps], entry: &Entry) -> Option<StepRecord> {
    let EntryBody::Outcome { leg, step, verb, result, took_ms } = &entry.body else { return None };
    let known = find(legs, *leg, step)?;
    let (word, note) = match (verb, result) {
        (Verb::Apply, StepResult::Done { note }) => ("done", note.clone()),
        (Verb::Undo, StepResult::Done { note }) => ("undone", note.clone()),
        (_, StepResult::NotNeeded { note }) => ("not needed", note.clone()),
        (_, StepResult::Failed { cause }) => ("failed", cause.to_string()),
    };
    Some(StepRecord {
        leg: *leg,
        step: step.clone(),
        phase: known.phase,
        kind: known.kind.name().to_owned(),
        result: word.to_owned(),
        note,
        took_ms: *took_ms,
        advisory: known.severity == Severity::Advisory,
    })
}

/// Before: the first run of a name before any change. After: its last run after one.
fn tests(legs: &[LegSteps], entries: &[Entry]) -> Vec<TestPair> {
    let mut pairs: BTreeMap<&StepId, TestPair> = BTreeMap::new();
    for entry in entries {
        let EntryBody::Outcome { leg, step, verb: Verb::Apply, result, took_ms } = &entry.body
        else {
            continue;
        };
        let Some(known) = find(legs, *leg, step) else { continue };
        let StepKind::Test { name, .. } = &known.kind else { continue };
        let (passed, note) = match result {
            StepResult::Done { note } | StepResult::NotNeeded { note } => (true, note.clone()),
            StepResult::Failed { cause } => (false, cause.text.clone()),
        };
        let result = TestResult { passed, note, took_ms: *took_ms };
        let pair = pairs.entry(name).or_insert_with(|| TestPair {
            name: name.to_string(),
            before: None,
            after: None,
        });
        if known.phase <= Phase::Protect {
            pair.before.get_or_insert(result);
        } else {
            pair.after = Some(result);
        }
    }
    pairs.into_values().collect()
}

/// What people were asked and what was answered, in this order.
fn answers(legs: &[LegSteps], entries: &[Entry]) -> Vec<AnswerRecord> {
    let mut asked_at: BTreeMap<(u32, &StepId), Timestamp> = BTreeMap::new();
    let mut answers = Vec::new();
    for entry in entries {
        match &entry.body {
            EntryBody::Intent { leg, step, verb: Verb::Apply, .. } => {
                asked_at.insert((*leg, step), entry.at);
            }
            EntryBody::Answered { leg, step, answer } => {
                let Some(known) = find(legs, *leg, step) else { continue };
                let Some(question) = known.kind.question() else { continue };
                answers.push(AnswerRecord {
                    leg: *leg,
                    step: step.clone(),
                    phase: known.phase,
                    kind: known.kind.name().to_owned(),
                    asked: question.ask(),
                    question: question.text().to_owned(),
                    asked_at: asked_at.get(&(*leg, step)).copied().unwrap_or(entry.at),
                    answer: answer.clone(),
                });
            }
            _ => {}
        }
    }
    answers
}

/// The newest backup of each leg that has one.
fn backups(input: &EngineInput, legs: usize) -> Vec<Digest> {
    let (store, product) = (input.state.join("backups"), &input.product.name);
    let key = &input.order.key;
    let newest = |leg: usize| {
        let prefix = format!("{}.{}.leg{leg}.", key.rollout, key.generation);
        let names = fs::read_dir(store.join(product.as_str())).ok()?.flatten();
        let attempts = names.filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix(&prefix)?.parse::<u32>().ok()
        });
        let id = format!("{prefix}{}", attempts.max()?);
        Sealed::open(&store, product, &id).ok().map(|sealed| sealed.digest)
    };
    (0..legs).filter_map(newest).collect()
}
