//! `refit runbook`: check procedures and print their schema.

use crate::{CliError, Exit, commands::pack, context::Context};
use clap::{Args, Subcommand};
use refit_names::Coded as _;
use refit_packs::{runbook, schema::SchemaOf};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `refit runbook`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit runbook lint runbook.yaml\n  refit runbook schema > runbook.schema.json"
)]
pub(crate) struct RunbookArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Finds every fault of a runbook: exit code 1 with faults, 0 without
    Lint(LintArgs),
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
        Verb::Schema => pack::schema(SchemaOf::Runbook, context),
    }
}

fn lint(args: &LintArgs, context: &Context) -> Result<Exit, CliError> {
    let text = crate::context::text(&args.file)?;
    match runbook::parse(&text) {
        Ok(book) => {
            let data = json!({ "name": book.name, "version": book.version, "steps": book.steps.len(), "faults": [] });
            context.output.data(&data, |_| {
                format!(
                    "{} version {}: {} steps, no faults",
                    book.name,
                    book.version,
                    book.steps.len()
                )
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
            context.output.say(&format!("{} faults", error.flaws().len()));
            Ok(Exit::Failed)
        }
    }
}
