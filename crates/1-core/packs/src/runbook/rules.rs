//! What a well-formed runbook must also hold.

use super::{Command, Phase, Probe, RUNBOOK_FORMAT, Runbook, Step, StepKind, Value};
use crate::source::{RuleBreak, SourceFlaw, at_most, ensure, read};
use refit_names::{Coded, ErrorClass};
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

/// Why a text is not a runbook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunbookError {
    /// The text does not have a runbook's shape.
    #[error("runbook, {0}")]
    Shape(SourceFlaw),
    /// The shape is right and a rule is broken.
    #[error("runbook, {0}")]
    Rule(SourceFlaw),
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
/// [`RunbookError`] names line, column, field, what was expected and what was found.
pub fn parse(text: &str) -> Result<Runbook, RunbookError> {
    let runbook: Runbook = read(text, RUNBOOK_BYTES_MAX).map_err(RunbookError::Shape)?;
    check(&runbook).map_err(|broken| RunbookError::Rule(broken.locate(text)))?;
    Ok(runbook)
}

/// The rules without a text, for runbooks that arrive inside a record.
pub(crate) fn check(runbook: &Runbook) -> Result<(), RuleBreak> {
    ensure(runbook.format == RUNBOOK_FORMAT, "format", format!("`{RUNBOOK_FORMAT}`"), || {
        format!("`{}`", runbook.format)
    })?;
    ensure(!runbook.steps.is_empty(), "steps", "at least one step", || "none".to_owned())?;
    at_most(runbook.steps.len(), STEPS_MAX, "steps")?;
    check_parameters(runbook)?;
    let mut ids = BTreeSet::new();
    let mut phase = Phase::Stage;
    for (index, step) in runbook.steps.iter().enumerate() {
        let field = format!("steps[{index}]");
        ensure(ids.insert(&step.id), &format!("{field}.id"), "each step id once", || {
            format!("`{}` twice", step.id)
        })?;
        ensure(
            step.phase >= phase,
            &format!("{field}.phase"),
            "phases that never go back",
            || format!("{:?} after {phase:?}", step.phase).to_lowercase(),
        )?;
        phase = step.phase;
        check_step(runbook, step, &field)?;
    }
    check_order(runbook)?;
    let way_back = &runbook.rollback;
    ensure(!way_back.trigger.trim().is_empty(), "rollback.trigger", "a symptom", || {
        "nothing".to_owned()
    })?;
    ensure(way_back.deadline_ms > 0, "rollback.deadline_ms", "more than 0", || "0".to_owned())
}

fn check_parameters(runbook: &Runbook) -> Result<(), RuleBreak> {
    at_most(runbook.parameters.len(), PARAMETERS_MAX, "parameters")?;
    let mut variables = BTreeMap::new();
    for (name, parameter) in &runbook.parameters {
        let variable = super::parameter_variable(name);
        if let Some(other) = variables.insert(variable.clone(), name) {
            let found = format!("`{other}` and `{name}`, both `{variable}`");
            return Err(RuleBreak::new("parameters", "each environment variable once", found));
        }
        if let Some(found) = parameter.default.as_deref().and_then(|text| parameter.misfit(text)) {
            let field = format!("parameters.{name}.default");
            return Err(RuleBreak::new(field, parameter.kind.article(), found));
        }
    }
    Ok(())
}

fn check_step(runbook: &Runbook, step: &Step, field: &str) -> Result<(), RuleBreak> {
    at_most(step.retries as usize, RETRIES_MAX, &format!("{field}.retries"))?;
    ensure(
        (1..=TIMEOUT_MS_MAX).contains(&step.timeout_ms),
        &format!("{field}.timeout_ms"),
        format!("1 to {TIMEOUT_MS_MAX}"),
        || step.timeout_ms.to_string(),
    )?;
    let field = format!("{field}.do");
    match &step.kind {
        StepKind::CheckCommand { run }
        | StepKind::EvidenceCommand { run }
        | StepKind::DatabaseMigrate { run }
        | StepKind::TrafficOpen { open: run } => check_command(run, &field),
        StepKind::ScriptRun { run, undo, .. } => {
            check_command(run, &field)?;
            undo.as_ref().map_or(Ok(()), |undo| check_command(undo, &field))
        }
        StepKind::TrafficClose { close, open } => {
            check_command(close, &field)?;
            check_command(open, &field)
        }
        StepKind::ServiceStart { ready: Some(probe) } | StepKind::Test { probe, .. } => {
            check_probe(runbook, probe, &field)
        }
        StepKind::ServiceHold { units } => {
            ensure(!units.is_empty(), &field, "at least one unit", || "none".to_owned())
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
        | StepKind::MachineReboot { .. } => Ok(()),
    }
}

fn check_command(command: &Command, field: &str) -> Result<(), RuleBreak> {
    let words = &command.0;
    let program = words.first().map_or("", String::as_str);
    ensure(!program.trim().is_empty(), field, "a command with a program", || {
        "an empty command".to_owned()
    })?;
    ensure(!program.split('/').any(|part| part == ".."), field, "a program without `..`", || {
        format!("`{program}`")
    })?;
    at_most(words.len(), COMMAND_WORDS_MAX, field)?;
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    at_most(longest, COMMAND_WORD_BYTES_MAX, field)?;
    ensure(words.iter().all(|word| !word.contains('\0')), field, "words without NUL", || {
        "a NUL character".to_owned()
    })
}

fn check_probe(runbook: &Runbook, probe: &Probe, field: &str) -> Result<(), RuleBreak> {
    match probe {
        Probe::Command { run } => check_command(run, field),
        Probe::Tcp { port, host } => {
            check_value(runbook, Some(port), field)?;
            check_value(runbook, host.as_ref(), field)
        }
        Probe::Http { port, host, path, status, .. } => {
            check_value(runbook, Some(port), field)?;
            check_value(runbook, host.as_ref(), field)?;
            ensure(path.starts_with('/'), field, "a path that starts with `/`", || {
                format!("`{path}`")
            })?;
            ensure((100..600).contains(status), field, "a status from 100 to 599", || {
                status.to_string()
            })
        }
    }
}

fn check_value(runbook: &Runbook, value: Option<&Value>, field: &str) -> Result<(), RuleBreak> {
    match value {
        Some(Value::Param { param }) => {
            ensure(runbook.parameters.contains_key(param), field, "a declared parameter", || {
                format!("`{param}`")
            })
        }
        _ => Ok(()),
    }
}

/// What must come before what.
fn check_order(runbook: &Runbook) -> Result<(), RuleBreak> {
    let mut done: BTreeSet<&'static str> = BTreeSet::new();
    for (index, step) in runbook.steps.iter().enumerate() {
        let name = step.kind.name();
        let field = format!("steps[{index}].do");
        for needed in needs(&step.kind) {
            ensure(done.contains(needed), &field, format!("`{needed}` before `{name}`"), || {
                format!("`{name}` without it")
            })?;
        }
        if matches!(name, "traffic.open" | "install.stage" | "install.switch" | "backup.take") {
            ensure(!done.contains(name), &field, format!("`{name}` at most once"), || {
                format!("`{name}` twice")
            })?;
        }
        ensure(
            step.phase != Phase::Stage || harmless(&step.kind),
            &format!("steps[{index}].phase"),
            "only checks, staging and scripts in the phase `stage`, where the product runs",
            || format!("`{name}`"),
        )?;
        ensure(
            step.phase == Phase::Stage || name != "install.stage",
            &format!("steps[{index}].phase"),
            "`install.stage` in the phase `stage`",
            || format!("{:?}", step.phase).to_lowercase(),
        )?;
        done.insert(name);
    }
    Ok(())
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
