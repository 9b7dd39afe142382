//! `refit repo`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit repo`.
#[derive(Debug, Args)]
pub(crate) struct RepoArgs {}

/// Runs it.
pub(crate) async fn run(_args: RepoArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit repo has no verb yet"))
}
