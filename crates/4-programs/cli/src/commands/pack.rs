//! `refit pack`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit pack`.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {}

/// Runs it.
pub(crate) async fn run(_args: PackArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit pack has no verb yet"))
}
