//! What a well-formed runbook must also hold.

use super::{Command, Phase, Probe, RUNBOOK_FORMAT, Runbook, Step, StepKind, Value};
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
/// Words of a command, and bytes of one word: well below what the kernel takes.
const COMMAND_WORDS_MAX: usize = 256;
const COMMAND_WORD_BYTES_MAX: usize = 32 << 10;
/// More tries than this hide a defect.
const RETRIES_MAX: usize = 20;
/// A day: no window is longer.
const TIMEOUT_MS_MAX: u64 = 24 * 3_600_000;

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
        "format": RUNBOOK_FORMAT, "name": "x", "version": 1, "steps": [],
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
    (&["steps", "parameters"], check_steps),
    (&["steps"], check_order),
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
        check_step(runbook, step, &field, breaks);
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

fn check_step(runbook: &Runbook, step: &Step, field: &str, breaks: &mut Breaks) {
    breaks.at_most(step.retries as usize, RETRIES_MAX, &format!("{field}.retries"));
    breaks.ensure(
        (1..=TIMEOUT_MS_MAX).contains(&step.timeout_ms),
        &format!("{field}.timeout_ms"),
        format!("1 to {TIMEOUT_MS_MAX}"),
        || step.timeout_ms.to_string(),
    );
    let field = format!("{field}.do");
    match &step.kind {
        StepKind::CheckCommand { run }
        | StepKind::EvidenceCommand { run }
        | StepKind::DatabaseMigrate { run }
        | StepKind::TrafficOpen { open: run } => check_command(run, &field, breaks),
        StepKind::ScriptRun { run, undo, .. } => {
            check_command(run, &field, breaks);
            if let Some(undo) = undo {
                check_command(undo, &field, breaks);
            }
        }
        StepKind::TrafficClose { close, open } => {
            check_command(close, &field, breaks);
            check_command(open, &field, breaks)
        }
        StepKind::ServiceStart { ready: Some(probe) } | StepKind::Test { probe, .. } => {
            check_probe(runbook, probe, &field, breaks);
        }
        StepKind::ServiceHold { units } => {
            breaks.ensure(!units.is_empty(), &field, "at least one unit", || "none".to_owned());
        }
        StepKind::CheckDisk { .. }
        | StepKind::CheckBuild {}
        | StepKind::CheckProcessesGone { .. }
        | StepKind::InstallStage {}
        | StepKind::ServiceStop {}
        | StepKind::ServiceStart { ready: None }
        | StepKind::EvidenceLogs { .. }
        | StepKind::BackupAhead {}
        | StepKind::BackupTake {}
        | StepKind::BackupVerify {}
        | StepKind::InstallSwitch {}
        | StepKind::MachineReboot { .. } => {}
    }
}

fn check_command(command: &Command, field: &str, breaks: &mut Breaks) {
    let words = &command.0;
    let program = words.first().map_or("", String::as_str);
    breaks.ensure(!program.trim().is_empty(), field, "a command with a program", || {
        "an empty command".to_owned()
    });
    breaks.ensure(
        !program.split('/').any(|part| part == ".."),
        field,
        "a program without `..`",
        || format!("`{program}`"),
    );
    breaks.at_most(words.len(), COMMAND_WORDS_MAX, field);
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    breaks.at_most(longest, COMMAND_WORD_BYTES_MAX, field);
    breaks.ensure(words.iter().all(|word| !word.contains('\0')), field, "words without NUL", || {
        "a NUL character".to_owned()
    })
}

fn check_probe(runbook: &Runbook, probe: &Probe, field: &str, breaks: &mut Breaks) {
    match probe {
        Probe::Command { run } => check_command(run, field, breaks),
        Probe::Tcp { port, host } => {
            check_value(runbook, Some(port), field, breaks);
            check_value(runbook, host.as_ref(), field, breaks)
        }
        Probe::Http { port, host, path, status, .. } => {
            check_value(runbook, Some(port), field, breaks);
            check_value(runbook, host.as_ref(), field, breaks);
            breaks.ensure(path.starts_with('/'), field, "a path that starts with `/`", || {
                format!("`{path}`")
            });
            breaks.ensure((100..600).contains(status), field, "a status from 100 to 599", || {
                status.to_string()
            })
        }
    }
}

fn check_value(runbook: &Runbook, value: Option<&Value>, field: &str, breaks: &mut Breaks) {
    if let Some(Value::Param { param }) = value {
        let declared = runbook.parameters.contains_key(param);
        breaks.ensure(declared, field, "a declared parameter", || format!("`{param}`"));
    }
}

/// What must come before what.
fn check_order(runbook: &Runbook, breaks: &mut Breaks) {
    let mut done: BTreeSet<&'static str> = BTreeSet::new();
    for (index, step) in runbook.steps.iter().enumerate() {
        let name = step.kind.name();
        let field = format!("steps[{index}].do");
        for needed in needs(&step.kind) {
            breaks.ensure(
                done.contains(needed),
                &field,
                format!("`{needed}` before `{name}`"),
                || format!("`{name}` without it"),
            );
        }
        if matches!(name, "traffic.open" | "install.stage" | "install.switch" | "backup.take") {
            breaks.ensure(!done.contains(name), &field, format!("`{name}` at most once"), || {
                format!("`{name}` twice")
            });
        }
        breaks.ensure(
            step.phase != Phase::Stage || harmless(&step.kind),
            &format!("steps[{index}].phase"),
            "only checks, staging and scripts in the phase `stage`, where the product runs",
            || format!("`{name}`"),
        );
        breaks.ensure(
            step.phase == Phase::Stage || name != "install.stage",
            &format!("steps[{index}].phase"),
            "`install.stage` in the phase `stage`",
            || format!("{:?}", step.phase).to_lowercase(),
        );
        done.insert(name);
    }
}

const fn needs(kind: &StepKind) -> &'static [&'static str] {
    match kind {
        StepKind::TrafficOpen { .. } => &["backup.take", "install.switch"],
        StepKind::InstallSwitch {} => &["install.stage"],
        StepKind::DatabaseMigrate { .. } | StepKind::BackupVerify {} => &["backup.take"],
        _ => &[],
    }
}

const fn harmless(kind: &StepKind) -> bool {
    matches!(
        kind,
        StepKind::CheckDisk { .. }
            | StepKind::CheckBuild {}
            | StepKind::CheckCommand { .. }
            | StepKind::InstallStage {}
            | StepKind::ScriptRun { .. }
            | StepKind::EvidenceLogs { .. }
            | StepKind::EvidenceCommand { .. }
            | StepKind::Test { .. }
    )
}
