//! `refit rollout`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit rollout`.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {}

/// Runs it.
pub(crate) async fn run(_args: RolloutArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit rollout has no verb yet"))
}
