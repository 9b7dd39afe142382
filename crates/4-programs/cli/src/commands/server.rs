//! `refit server`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit server`.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {}

/// Runs it.
pub(crate) async fn run(_args: ServerArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit server has no verb yet"))
}
