//! `refit fleet`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit fleet`.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {}

/// Runs it.
pub(crate) async fn run(_args: FleetArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit fleet has no verb yet"))
}
