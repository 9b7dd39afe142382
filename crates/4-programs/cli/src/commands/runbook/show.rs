//! `refit runbook show`: a procedure as people read it.

use crate::{
    CliError, Exit,
    commands::pack::{self, RepoArgs},
    context::Context,
    output::table,
    span,
};
use clap::Args;
use refit_packs::{
    manifest::Estimate,
    runbook::{self, Phase, Runbook, Severity, Step},
};
use serde_json::json;
use std::path::Path;

/// Arguments of `refit runbook show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A file, or the name of a runbook that Refit ships
    #[arg(value_name = "NAME|FILE", required_unless_present = "pack")]
    runbook: Option<String>,
    /// The runbook of this pack: a `.refit` file, a folder, or PRODUCT@BUILD
    #[arg(long, value_name = "PACK", conflicts_with = "runbook")]
    pack: Option<String>,
    #[command(flatten)]
    from: RepoArgs,
}

/// In this order.
const PHASES: [Phase; 6] =
    [Phase::Stage, Phase::Before, Phase::Protect, Phase::Install, Phase::After, Phase::Finish];

pub(super) async fn run(args: ShowArgs, context: &Context) -> Result<Exit, CliError> {
    let (book, estimate) = match (&args.pack, &args.runbook) {
        (Some(pack), _) => pack::runbook_of(pack, &args.from, context).await?,
        (None, Some(name)) => (by_name(name)?, None),
        (None, None) => return Err(CliError::usage("name a runbook, or give --pack PACK")),
    };
    let advice = runbook::advice(&book);
    let steps: Vec<_> = book
        .steps
        .iter()
        .map(|step| {
            json!({ "id": step.id, "phase": step.phase, "kind": step.kind.name(), "does": step.kind.describe(),
                "severity": step.severity, "timeout_ms": step.timeout_ms, "retries": step.retries, "always": step.always,
                "asks": step.kind.question().map(|asked| asked.ask()) })
        })
        .collect();
    let data = json!({ "name": book.name, "version": book.version, "parameters": book.parameters, "steps": steps,
        "rollback": book.rollback, "estimate": estimate, "advice": advice });
    context.output.data(&data, |_| text(&book, estimate, &advice))?;
    Ok(Exit::Done)
}

/// The text of a runbook by its file's name, or that of one that Refit ships.
fn by_name(name: &str) -> Result<Runbook, CliError> {
    let path = Path::new(name);
    if path.exists() {
        let text = crate::context::text(path)?;
        return runbook::parse(&text).map_err(|error| faulty(name, &error));
    }
    if name == "plain-service" {
        return Ok(runbook::default_for_plain_service());
    }
    match pack::shipped_runbook(name) {
        Some(text) => runbook::parse(text).map_err(|error| faulty(name, &error)),
        None => Err(CliError::new(
            "runbook.not-found",
            Exit::NotFound,
            format!("`{name}` is neither a file nor a runbook that Refit ships: {}", shipped()),
        )),
    }
}

fn shipped() -> String {
    let names = pack::shipped_runbooks().into_iter().map(|(name, _)| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}

/// An error with a line for each fault.
pub(super) fn faulty(name: &str, error: &runbook::RunbookError) -> CliError {
    use refit_names::Coded as _;
    let details = error.flaws().iter().map(|flaw| format!("{name}: {flaw}")).collect::<Vec<_>>();
    let text = format!("{name} is no runbook: {}", refit_names::counted(details.len(), "fault"));
    CliError::new(error.code(), Exit::Failed, text).with_details(details)
}

fn text(book: &Runbook, estimate: Option<Estimate>, advice: &[String]) -> String {
    let mut lines = vec![format!("{} version {}", book.name, book.version)];
    if let Some(estimate) = estimate {
        let Estimate { p50_ms, p95_ms, undo_p95_ms, .. } = estimate;
        lines.push(format!(
            "takes about {}, {} at most; the way back {} at most",
            span::text(p50_ms),
            span::text(p95_ms),
            span::text(undo_p95_ms)
        ));
    }
    for (name, parameter) in &book.parameters {
        let default = match &parameter.default {
            Some(_) if parameter.secret => ", has a default".to_owned(),
            Some(value) => format!(", else {value}"),
            None => ", each host gives one".to_owned(),
        };
        let secret = if parameter.secret { ", secret" } else { "" };
        lines.push(format!(
            "parameter {name}: {} ({}{secret}{default})",
            parameter.about,
            parameter.kind.article()
        ));
    }
    for phase in PHASES {
        let steps: Vec<&Step> = book.steps.iter().filter(|step| step.phase == phase).collect();
        if steps.is_empty() {
            continue;
        }
        let (people, work) = book.limits(phase);
        let people = if people > 0 {
            format!(", {} of it for people", span::text(people))
        } else {
            String::new()
        };
        lines.push(format!(
            "\n{} (ends within {}{people})",
            format!("{phase:?}").to_lowercase(),
            span::text(work.saturating_add(book.limits(phase).0))
        ));
        let rows = steps
            .iter()
            .map(|step| [format!("  {}", step.id), step.kind.name().to_owned(), does(step)]);
        lines.push(table(["  step", "kind", "does"], rows.collect()));
    }
    let back = &book.rollback;
    let tested = back.tested.as_deref().unwrap_or("never");
    lines.push(format!(
        "\nway back: files and databases of one moment, when {}\n  decided within {} by {}; rehearsed: {tested}",
        back.trigger,
        span::text(back.deadline_ms),
        back.owner
    ));
    lines.extend(advice.iter().map(|line| format!("advice: {line}")));
    lines.join("\n")
}

fn does(step: &Step) -> String {
    let mut text = step.kind.describe();
    if step.severity == Severity::Advisory {
        text.push_str(" [advisory]");
    }
    if step.always {
        text.push_str(" [always]");
    }
    if step.retries > 0 {
        text.push_str(&format!(" [{} tries]", step.retries + 1));
    }
    text
}
