//! `refit demo`.

use crate::{CliError, Exit, context::Context};
use clap::Args;

/// Arguments of `refit demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}

/// Runs it.
pub(crate) async fn run(_args: DemoArgs, _context: &Context) -> Result<Exit, CliError> {
    Err(CliError::usage("refit demo has no verb yet"))
}
