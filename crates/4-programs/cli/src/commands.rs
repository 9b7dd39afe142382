//! One file per noun.

pub(crate) mod backup;
pub(crate) mod demo;
pub(crate) mod fleet;
pub(crate) mod notify;
pub(crate) mod pack;
pub(crate) mod repo;
pub(crate) mod risk;
pub(crate) mod rollout;
pub(crate) mod runbook;
pub(crate) mod server;
pub(crate) mod signoff;
pub(crate) mod updates;
pub(crate) mod user;
pub(crate) mod window;

use crate::{CliError, Exit, args::Command, context::Context};

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => demo::run(args, context).await,
        Command::Server(args) => server::run(args, context).await,
        Command::User(args) => user::run(args, context).await,
        Command::Fleet(args) => fleet::run(args, context).await,
        Command::Notify(args) => notify::run(args, context).await,
        Command::Risk(args) => risk::run(args, context).await,
        Command::Pack(args) => pack::run(args, context).await,
        Command::Runbook(args) => runbook::run(args, context).await,
        Command::Repo(args) => repo::run(args, context).await,
        Command::Updates(args) => updates::run(args, context).await,
        Command::Rollout(args) => rollout::run(args, context).await,
        Command::Window(args) => window::run(args, context).await,
        Command::Backup(args) => backup::run(args, context).await,
        Command::Signoff(args) => signoff::run(args, context).await,
    }
}
