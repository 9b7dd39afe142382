//! `refit signoff`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit signoff`.
#[derive(Debug, Args)]
pub(crate) struct SignoffArgs {}

/// Runs it.
pub(crate) async fn run(_args: SignoffArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit signoff has no verb yet"))
}
