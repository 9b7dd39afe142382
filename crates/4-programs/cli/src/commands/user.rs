//! `refit user`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit user`.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {}

/// Runs it.
pub(crate) async fn run(_args: UserArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit user has no verb yet"))
}
