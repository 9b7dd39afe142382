//! Rules of steps that ask people.

use super::super::{
    Decide, FillIn, Question, Runbook, Severity, Step, StepKind, Then, UPLOAD_BYTES_MAX, Upload,
};
use crate::source::Breaks;

/// A day: no window is longer. A second: tests ask programs.
const WITHIN_MS: std::ops::RangeInclusive<u64> = 1_000..=24 * 3_600_000;
/// More often is a nuisance; tests still can.
const REMIND_MS_MIN: u64 = 1_000;
/// A form of more fields is a document: ask for an upload.
const FIELDS_MAX: usize = 50;
/// More ways on than a person weighs at night.
const CHOICES_MAX: usize = 10;

/// What is wrong with a step's question by itself.
pub(super) fn check_question(step: &Step, field: &str, breaks: &mut Breaks) {
    let Some(question) = step.kind.question() else { return };
    let at = |part: &str| format!("{field}.do.{}.{part}", step.kind.name());
    breaks.line(&at("question"), question.text());
    let within = question.within_ms();
    breaks.ensure(
        WITHIN_MS.contains(&within),
        &at("within_ms"),
        format!("{} to {}", WITHIN_MS.start(), WITHIN_MS.end()),
        || within.to_string(),
    );
    if let Some(remind) = question.remind_ms() {
        breaks.ensure(
            (REMIND_MS_MIN..within).contains(&remind),
            &at("remind_ms"),
            format!("at least {REMIND_MS_MIN}, and less than `within_ms`"),
            || remind.to_string(),
        );
    }
    breaks.ensure(
        step.retries == 0,
        &format!("{field}.retries"),
        "no retries: a person who said no is not asked again",
        || step.retries.to_string(),
    );
    match &question {
        Question::Confirm(_) => {}
        Question::FillIn(asked) => check_fields(asked, &at, breaks),
        Question::Upload(asked) => check_upload(asked, &at, breaks),
        Question::Decide(asked) => check_choices(asked, step, &at, breaks),
    }
    if let Some(Err(misfit)) = question.default().map(|default| question.fits(&default)) {
        breaks.push(&at("default"), "an answer that fits the question", misfit.to_string());
    }
}

fn check_fields(asked: &FillIn, at: &dyn Fn(&str) -> String, breaks: &mut Breaks) {
    breaks.ensure(!asked.fields.is_empty(), &at("fields"), "at least one field", || {
        "none".to_owned()
    });
    breaks.at_most(asked.fields.len(), FIELDS_MAX, &at("fields"));
    for (name, field) in &asked.fields {
        breaks.line(&at(&format!("fields.{name}.about")), &field.about);
        for value in field.one_of.iter().filter(|value| !field.kind.allows(value)) {
            let one_of = at(&format!("fields.{name}.one_of"));
            breaks.push(&one_of, field.kind.article(), format!("{value:?}"));
        }
    }
}

fn check_upload(asked: &Upload, at: &dyn Fn(&str) -> String, breaks: &mut Breaks) {
    breaks.ensure(
        (1..=UPLOAD_BYTES_MAX).contains(&asked.max.0),
        &at("max"),
        format!("1 to {UPLOAD_BYTES_MAX} bytes"),
        || asked.max.0.to_string(),
    );
    let plain =
        |ending: &String| !ending.is_empty() && ending.chars().all(|c| c.is_ascii_alphanumeric());
    for ending in asked.endings.iter().filter(|ending| !plain(ending)) {
        breaks.push(
            &at("endings"),
            "endings of letters and digits, such as `png`",
            format!("{ending:?}"),
        );
    }
}

fn check_choices(asked: &Decide, step: &Step, at: &dyn Fn(&str) -> String, breaks: &mut Breaks) {
    breaks.ensure(asked.choices.len() > 1, &at("choices"), "at least two choices", || {
        asked.choices.len().to_string()
    });
    breaks.at_most(asked.choices.len(), CHOICES_MAX, &at("choices"));
    for (name, choice) in &asked.choices {
        breaks.line(&at(&format!("choices.{name}.about")), &choice.about);
        let heard = choice.then != Then::RollBack || step.severity == Severity::Mandatory;
        breaks.ensure(
            heard,
            &at(&format!("choices.{name}.then")),
            "a mandatory step where a choice takes the leg back",
            || "an advisory one".to_owned(),
        );
    }
    let goes_on = asked.choices.values().any(|choice| choice.then == Then::GoOn);
    breaks.ensure(goes_on, &at("choices"), "a choice that goes on", || "none".to_owned());
    let silence = asked.default.as_ref().and_then(|name| asked.choices.get(name));
    breaks.ensure(
        silence.is_none_or(|choice| choice.then != Then::Repeat),
        &at("default"),
        "a choice that goes on or takes the leg back",
        || "one that repeats for ever".to_owned(),
    );
}

/// What is wrong with where a question stands; `open`: clients were let in before.
pub(super) fn check_place(runbook: &Runbook, index: usize, open: bool, breaks: &mut Breaks) {
    let step = &runbook.steps[index];
    let StepKind::PeopleDecide(asked) = &step.kind else { return };
    let before = index.checked_sub(1).map(|before| &runbook.steps[before]);
    for (name, choice) in &asked.choices {
        let field = format!("steps[{index}].do.people.decide.choices.{name}.then");
        match choice.then {
            Then::Repeat => breaks.ensure(
                before.is_some_and(|before| before.phase == step.phase && may_repeat(&before.kind)),
                &field,
                "a check, a test, evidence, a question or a repeatable script right before it, in the same phase",
                || before.map_or("nothing".to_owned(), |before| format!("`{}`", before.kind.name())),
            ),
            Then::RollBack => breaks.ensure(
                !open,
                &field,
                "no way back after `traffic.open`",
                || "`roll-back`".to_owned(),
            ),
            Then::GoOn => {}
        }
    }
}

/// What can be done once more without changing what the steps before it left.
fn may_repeat(kind: &StepKind) -> bool {
    let name = kind.name();
    let looks = ["check.", "evidence.", "people."].iter().any(|group| name.starts_with(group));
    looks
        || matches!(
            kind,
            StepKind::Test { .. }
                | StepKind::MachineWait(_)
                | StepKind::ScriptRun { repeatable: true, .. }
        )
}
