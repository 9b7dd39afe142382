//! `refit runbook`: check procedures, show them, try them, print their schema.

mod show;
mod test;

use crate::{CliError, Exit, commands::pack, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_names::Coded as _;
use refit_packs::{runbook, schema::SchemaOf};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `refit runbook`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  refit runbook lint runbook.yaml\n  refit runbook list\n  refit runbook show --pack ledger@1200\n  refit runbook test runbook.yaml --on lab-1\n  refit runbook schema > runbook.schema.json"
)]
pub(crate) struct RunbookArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Finds every fault of a runbook: exit code 1 with faults, 0 without
    Lint(LintArgs),
    /// Lists the runbooks that Refit ships
    #[command(after_help = "Example:\n  refit runbook list")]
    List,
    /// Shows a runbook: steps by phase, parameters, who is asked, the way back, how long it takes
    #[command(
        after_help = "Examples:\n  refit runbook show file-print\n  refit runbook show runbook.yaml --json\n  refit runbook show --pack ledger@1200"
    )]
    Show(show::ShowArgs),
    /// Tries a runbook on a server, changing nothing: exit code 0 when all could run, 1 when something would fail, 7 when it cannot be tried
    #[command(
        after_help = "Examples:\n  refit runbook test runbook.yaml --on lab-1 --product ledger\n  refit runbook test runbook.yaml --local --set port=8080"
    )]
    Test(test::TestArgs),
    /// Prints the JSON Schema (draft 2020-12) of runbooks
    Schema,
}

#[derive(Debug, Args)]
struct LintArgs {
    /// The runbook
    file: PathBuf,
}

/// Runs it.
pub(crate) async fn run(args: RunbookArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Lint(args) => lint(&args, context),
        Verb::List => list(context),
        Verb::Show(args) => show::run(args, context).await,
        Verb::Test(args) => test::run(args, context).await,
        Verb::Schema => pack::schema(SchemaOf::Runbook, context),
    }
}

fn list(context: &Context) -> Result<Exit, CliError> {
    let all = pack::shipped_runbooks();
    let data: Vec<_> =
        all.iter().map(|(name, about)| json!({ "name": name, "for": about })).collect();
    context.output.data(&json!(data), |_| {
        table(["NAME", "FOR"], all.iter().cloned().map(|(name, about)| [name, about]).collect())
    })?;
    Ok(Exit::Done)
}

fn lint(args: &LintArgs, context: &Context) -> Result<Exit, CliError> {
    let text = crate::context::text(&args.file)?;
    match runbook::parse(&text) {
        Ok(book) => {
            let advice = runbook::advice(&book);
            let data = json!({ "name": book.name, "version": book.version, "steps": book.steps.len(), "faults": [], "advice": advice });
            context.output.data(&data, |_| {
                let (name, version, steps) = (&book.name, book.version, book.steps.len());
                let mut lines = vec![format!("{name} version {version}: {steps} steps, no faults")];
                lines.extend(advice.iter().map(|line| format!("advice  {line}")));
                lines.join("\n")
            })?;
            Ok(Exit::Done)
        }
        Err(error) => {
            let faults = error.flaws().iter().map(|flaw| {
                json!({ "line": flaw.line, "column": flaw.column, "field": flaw.field, "expected": flaw.expected, "found": flaw.found, "code": error.code() })
            });
            let data = json!({ "faults": faults.collect::<Vec<_>>() });
            context.output.data(&data, |_| {
                let told =
                    |flaw: &refit_packs::SourceFlaw| format!("{}: {flaw}\n", args.file.display());
                error.flaws().iter().map(told).collect()
            })?;
            context.output.say(&refit_names::counted(error.flaws().len(), "fault"));
            Ok(Exit::Failed)
        }
    }
}
