//! `refit rollout document` and `refit rollout export`: what people take along from a plan.

use super::plan_file;
use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, ValueEnum};
use refit_calendar::ics;
use refit_documents::paper::{self, PaperInput};
use refit_names::{PersonName, RolloutName};
use refit_protocol::v1::{DocumentKind, DocumentQuery, ExportQuery, RehearsalQuery};
use refit_rehearsal::RehearsalInput;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `refit rollout document`.
#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// The rollout; a name for the document with --plan
    name: RolloutName,
    /// Which document
    kind: Kind,
    /// As what [default: by the ending of the file, else pdf]
    #[arg(long)]
    format: Option<Format>,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Rehearses the plan so many times and shows the results
    #[arg(long, value_name = "RUNS", num_args = 0..=1, default_missing_value = "1000")]
    simulate: Option<u32>,
    /// Seed of the rehearsal
    #[arg(long, requires = "simulate")]
    seed: Option<u64>,
    /// A file with a plan, as `rollout show --json` prints it; no server is asked, and less is known
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

/// Which document.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// How and why
    Approach,
    /// Who, when, what if
    ProjectPlan,
}

/// As what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For the archive and for print
    Pdf,
    /// One page for browsers
    Html,
}

/// Arguments of `refit rollout export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The rollout
    name: RolloutName,
    /// As what [default: by the ending of the file]
    #[arg(long)]
    format: Option<ExportFormat>,
    /// Only slots of this person (ics)
    #[arg(long)]
    person: Option<PersonName>,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A file with a plan, as `rollout show --json` prints it; no server is asked, and less is known
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

/// As what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// Spreadsheet: servers, waves, risks, people
    Xlsx,
    /// One server a line
    Csv,
    /// Calendar: one entry per server with a slot
    Ics,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
    bytes: usize,
}

/// Runs `refit rollout document`.
pub(super) async fn document(context: &Context, args: DocumentArgs) -> Result<Exit, CliError> {
    let format = args.format.unwrap_or(match ending(&args.output).as_str() {
        "html" | "htm" => Format::Html,
        _ => Format::Pdf,
    });
    let kind = match args.kind {
        Kind::Approach => DocumentKind::Approach,
        Kind::ProjectPlan => DocumentKind::ProjectPlan,
    };
    let bytes = match &args.plan {
        Some(file) => offline(&args, file, kind, format)?,
        None => {
            let query = DocumentQuery { simulate: args.simulate, seed: args.seed };
            let ending = if format == Format::Pdf { "pdf" } else { "html" };
            context.api()?.document(&args.name, kind, ending, &query).await?
        }
    };
    written(context, &args.output, &bytes)
}

fn offline(
    args: &DocumentArgs,
    file: &Path,
    kind: DocumentKind,
    format: Format,
) -> Result<Vec<u8>, CliError> {
    let mut input = input(file)?;
    if let Some(runs) = args.simulate {
        let query = RehearsalQuery { runs, ..RehearsalQuery::default() };
        input.rehearsal = Some(refit_server::rehearse(&RehearsalInput {
            plan: &input.plan,
            runs,
            seed: args.seed.unwrap_or(query.seed),
            assumptions: query.assumptions(),
            experience: BTreeMap::new(),
        })?);
    }
    let paper = match kind {
        DocumentKind::Approach => paper::approach(&input),
        DocumentKind::ProjectPlan => paper::project_plan(&input),
    };
    Ok(match format {
        Format::Pdf => refit_documents::paper_pdf(&paper)?,
        Format::Html => paper::html(&paper).into_bytes(),
    })
}

/// Runs `refit rollout export`.
pub(super) async fn export(context: &Context, args: ExportArgs) -> Result<Exit, CliError> {
    let format = match (args.format, ending(&args.output).as_str()) {
        (Some(format), _) => format,
        (None, "xlsx") => ExportFormat::Xlsx,
        (None, "csv") => ExportFormat::Csv,
        (None, "ics") => ExportFormat::Ics,
        (None, _) => {
            return Err(CliError::usage(
                "expected --format xlsx, csv or ics, or a file that ends so",
            ));
        }
    };
    if args.person.is_some() && format != ExportFormat::Ics {
        return Err(CliError::usage("--person goes with --format ics: sheets show everybody"));
    }
    let bytes = match &args.plan {
        Some(file) => {
            let input = input(file)?;
            match format {
                ExportFormat::Xlsx => paper::xlsx(&input)?,
                ExportFormat::Csv => paper::csv(&input).into_bytes(),
                ExportFormat::Ics => {
                    ics::write(&paper::events(&input, args.person.as_ref())).into_bytes()
                }
            }
        }
        None => {
            let ending = match format {
                ExportFormat::Xlsx => "xlsx",
                ExportFormat::Csv => "csv",
                ExportFormat::Ics => "ics",
            };
            let query = ExportQuery { person: args.person.clone() };
            context.api()?.export(&args.name, ending, &query).await?
        }
    };
    written(context, &args.output, &bytes)
}

fn input(file: &Path) -> Result<PaperInput, CliError> {
    let read = plan_file::read(file)?;
    let hash = read.plan.hash().map_err(|error| {
        CliError::new("rollout.plan-file", Exit::Usage, refit_names::chain(&error))
    })?;
    Ok(PaperInput {
        remarks: read.report,
        findings: read.findings,
        ..PaperInput::of_plan(read.plan, hash)
    })
}

fn ending(file: &Path) -> String {
    file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Writes the whole file or nothing.
fn written(context: &Context, file: &Path, bytes: &[u8]) -> Result<Exit, CliError> {
    let wrong = |source| CliError::io("write", file.display(), source);
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes).map_err(wrong)?;
    fs::rename(&partial, file).map_err(wrong)?;
    let written = Written { file: file.to_owned(), bytes: bytes.len() };
    context.output.data(&written, |written| {
        table(
            ["file", "bytes"],
            vec![[written.file.display().to_string(), written.bytes.to_string()]],
        )
    })?;
    Ok(Exit::Done)
}
