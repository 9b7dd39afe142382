//! One step of a dry run.

use crate::{command::redacted, context::Context, error::StepError, steps};
use refit_names::chain;
use refit_packs::runbook::{Command, Phase, Probe, StepKind};
use refit_protocol::runbook_test::StepVerdict;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// What was found, and the worst of it.
pub(super) struct Findings {
    pub(super) verdict: StepVerdict,
    pub(super) notes: Vec<String>,
}

impl Default for Findings {
    fn default() -> Self {
        Self { verdict: StepVerdict::Works, notes: Vec::new() }
    }
}

impl Findings {
    fn depends(&mut self, text: String) {
        self.notes.push(text);
        if self.verdict == StepVerdict::Works {
            self.verdict = StepVerdict::Depends;
        }
    }

    fn fails(&mut self, text: String) {
        self.notes.push(text);
        self.verdict = StepVerdict::Fails;
    }

    /// What fails after the first change may be what that change brings about.
    fn judge(&mut self, context: &Context<'_>, looked: Result<String, StepError>) {
        match looked {
            Ok(note) if note.is_empty() => {}
            Ok(note) => self.notes.push(redacted(&note, context.secrets)),
            Err(error) => {
                let cause = error.cause();
                let text = format!("[{}] {}", cause.code, redacted(&cause.text, context.secrets));
                if context.step.phase <= Phase::Before {
                    self.fails(text);
                } else {
                    self.depends(format!("now: {text}"));
                }
            }
        }
    }
}

/// Looks at all of a step that can be looked at.
pub(super) fn look(context: &Context<'_>, found: &mut Findings) {
    let kind = &context.step.kind;
    let commands = kind.commands();
    let there = commands.into_iter().filter(|command| program(context, command, found)).count();
    for probe in kind.probes() {
        if let Probe::Command { run } = probe
            && !program(context, run, found)
        {
            continue;
        }
        found.judge(context, context.probe(probe));
    }
    let done = there < kind.commands().len()
        || kind.question().is_some()
        || matches!(kind, StepKind::Test { .. } | StepKind::InstallStage {});
    if done {
        return;
    }
    if let Some(measurement) = steps::measurement(kind) {
        let judged = measurement.measure(context).and_then(|all| crate::finding::judge(&all));
        return found.judge(context, judged);
    }
    let deed = steps::deed(kind);
    let looked = match (kind, deed.check(context)) {
        // It only looks.
        (StepKind::CheckBuild {}, Ok(steps::Precheck::Ready)) => deed.apply(context),
        (_, Ok(steps::Precheck::AlreadyDone(note))) => Ok(format!("nothing to do now: {note}")),
        (_, Ok(steps::Precheck::Ready)) => Ok(String::new()),
        (_, Err(error)) => Err(error),
    };
    found.judge(context, looked);
}

/// Whether a command's program is there and may be run; one that lies in the release may come with the pack.
fn program(context: &Context<'_>, command: &Command, found: &mut Findings) -> bool {
    let program = command.0.first().map_or("", String::as_str);
    if !program.contains('/') {
        let place = refit_backup::find_tool(program);
        if place.is_none() {
            found.fails(format!("program `{program}` is not in PATH"));
        }
        return place.is_some();
    }
    // An absolute path stays what it is.
    let place = context.layout.release(context.to).join(program);
    let absolute = Path::new(program).is_absolute();
    match fs::metadata(&place) {
        Ok(seen) if seen.is_file() && seen.permissions().mode() & 0o111 != 0 => return true,
        Ok(_) => {
            found.fails(format!("{} is no file that may be run", place.display()));
        }
        Err(_) if !absolute => found.depends(format!(
            "program `{program}` is not in the installed release: the pack must bring it"
        )),
        Err(error) => {
            found.fails(format!("failed to look at {}: {}", place.display(), chain(&error)));
        }
    }
    false
}
