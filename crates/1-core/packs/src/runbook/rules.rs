//! What a well-formed runbook must also hold.

mod order;
mod people;
mod steps;

use super::{Phase, RUNBOOK_FORMAT, Runbook};
use crate::{
    schema::SchemaOf,
    source::{Breaks, Reading, Rule, RuleBreak, SourceFlaws, read as read_source},
};
use refit_names::{Coded, ErrorClass};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a runbook: 500 steps with their commands fit in half of it.
pub const RUNBOOK_BYTES_MAX: usize = 1 << 20;
/// Steps of a runbook: the longest procedures of the field have about a hundred.
const STEPS_MAX: usize = 500;
/// Parameters of a runbook: they all go into one environment.
const PARAMETERS_MAX: usize = 200;

/// Why a text is not a runbook: everything that could be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunbookError {
    /// The text does not have a runbook's shape; rules that it breaks besides are listed too.
    #[error("runbook, {0}")]
    Shape(SourceFlaws),
    /// The shape is right and rules are broken.
    #[error("runbook, {0}")]
    Rule(SourceFlaws),
}

impl RunbookError {
    /// Every fault, from top to bottom.
    #[must_use]
    pub fn flaws(&self) -> &SourceFlaws {
        let (Self::Shape(flaws) | Self::Rule(flaws)) = self;
        flaws
    }
}

impl Coded for RunbookError {
    fn code(&self) -> &'static str {
        match self {
            Self::Shape(_) => "runbook.shape",
            Self::Rule(_) => "runbook.rule",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// Reads a runbook and holds it against the rules.
///
/// # Errors
/// [`RunbookError`] names line, column, field, what was expected and what was found, for every fault.
pub fn parse(text: &str) -> Result<Runbook, RunbookError> {
    accept(read(text))
}

/// The runbook when nothing is wrong with it.
///
/// # Errors
/// As [`parse`].
pub fn accept(reading: Reading<Runbook>) -> Result<Runbook, RunbookError> {
    reading.into_result().map_err(|(is_shape, flaws)| {
        if is_shape { RunbookError::Shape(flaws) } else { RunbookError::Rule(flaws) }
    })
}

/// Reads as much of a runbook as can be read, with everything that is wrong with it.
#[must_use]
pub fn read(text: &str) -> Reading<Runbook> {
    // Stands for what is missing or faulty; rules that look at such a field are not asked.
    let filler = json!({
        "format": RUNBOOK_FORMAT, "name": "x", "version": 1,
        "steps": [{ "id": "a-faulty-step", "phase": "stage", "do": { "check.build": {} } }],
        "rollback": { "method": "switch-and-restore", "trigger": "x", "deadline_ms": 1, "owner": "x" },
    });
    read_source(text, RUNBOOK_BYTES_MAX, SchemaOf::Runbook.schema(), filler, RULES)
}

/// The rules without a text, for runbooks that arrive inside a record.
pub(crate) fn check(runbook: &Runbook) -> Result<(), RuleBreak> {
    Breaks::of(runbook, RULES).into_first()
}

/// Each with the fields that it looks at.
const RULES: &[Rule<Runbook>] = &[
    (&["format"], check_format),
    (&["parameters"], check_parameters),
    (&["steps[]", "parameters"], check_steps),
    (&["steps"], order::check_order),
    (&["rollback"], check_rollback),
];

fn check_format(runbook: &Runbook, breaks: &mut Breaks) {
    breaks.ensure(
        runbook.format == RUNBOOK_FORMAT,
        "format",
        format!("`{RUNBOOK_FORMAT}`"),
        || format!("`{}`", runbook.format),
    );
}

fn check_rollback(runbook: &Runbook, breaks: &mut Breaks) {
    let way_back = &runbook.rollback;
    breaks.ensure(!way_back.trigger.trim().is_empty(), "rollback.trigger", "a symptom", || {
        "nothing".to_owned()
    });
    let deadline = "rollback.deadline_ms";
    breaks.ensure(way_back.deadline_ms > 0, deadline, "more than 0", || "0".to_owned());
}

fn check_steps(runbook: &Runbook, breaks: &mut Breaks) {
    breaks.ensure(!runbook.steps.is_empty(), "steps", "at least one step", || "none".to_owned());
    breaks.at_most(runbook.steps.len(), STEPS_MAX, "steps");
    let mut ids = BTreeSet::new();
    let mut phase = Phase::Stage;
    for (index, step) in runbook.steps.iter().enumerate() {
        let field = format!("steps[{index}]");
        breaks.ensure(ids.insert(&step.id), &format!("{field}.id"), "each step id once", || {
            format!("`{}` twice", step.id)
        });
        breaks.ensure(
            step.phase >= phase,
            &format!("{field}.phase"),
            "phases that never go back",
            || format!("{:?} after {phase:?}", step.phase).to_lowercase(),
        );
        phase = phase.max(step.phase);
        steps::check_step(runbook, step, &field, breaks);
        people::check_question(step, &field, breaks);
    }
}

fn check_parameters(runbook: &Runbook, breaks: &mut Breaks) {
    breaks.at_most(runbook.parameters.len(), PARAMETERS_MAX, "parameters");
    let mut variables = BTreeMap::new();
    for (name, parameter) in &runbook.parameters {
        let variable = super::parameter_variable(name);
        if let Some(other) = variables.insert(variable.clone(), name) {
            let found = format!("`{other}` and `{name}`, both `{variable}`");
            breaks.push("parameters", "each environment variable once", found);
        }
        if let Some(found) = parameter.default.as_deref().and_then(|text| parameter.misfit(text)) {
            let field = format!("parameters.{name}.default");
            breaks.push(&field, parameter.kind.article(), found);
        }
    }
}
