//! `refit updates`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit updates`.
#[derive(Debug, Args)]
pub(crate) struct UpdatesArgs {}

/// Runs it.
pub(crate) async fn run(_args: UpdatesArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit updates has no verb yet"))
}
