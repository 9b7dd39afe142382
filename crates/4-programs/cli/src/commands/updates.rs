//! `refit updates`: which updates there are, the path to them, the graph behind it, and looking for news.

mod check;
mod graph;
mod list;
mod path;

use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use refit_names::BuildId;

/// Arguments of `refit updates`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit updates check\n  refit updates list --product ledger\n  refit updates path --product ledger --from 1000 --to 1200\n  refit updates graph --product ledger --format dot"
)]
pub(crate) struct UpdatesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Looks at the repository now and says what is new; ends with 8 when updates are available
    Check(check::CheckArgs),
    /// Lists installed builds with the number of servers and where they can go
    List(list::ListArgs),
    /// Shows the best published path between two builds, or why there is none
    Path(path::PathArgs),
    /// Writes the build graph of a product for other programs
    Graph(graph::GraphArgs),
}

/// Runs it.
pub(crate) async fn run(args: UpdatesArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Check(args) => check::run(&args, context).await,
        Verb::List(args) => list::run(&args, context).await,
        Verb::Path(args) => path::run(&args, context).await,
        Verb::Graph(args) => graph::run(&args, context).await,
    }
}

fn arrow(builds: &[BuildId]) -> String {
    builds.iter().map(BuildId::as_str).collect::<Vec<_>>().join(" → ")
}
