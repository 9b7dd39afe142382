//! `refit repo`: make and publish repositories, keep their keys, and a plain client for any TUF repository.

mod clean;
mod client;
mod delegation;
mod key;
mod keys;
mod media;
mod publish;
mod root;
pub(crate) mod source;
mod upkeep;
mod withdraw;

use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};

pub(super) use client::{http, refused};

/// Arguments of `refit repo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo init ./repository --keys ./keys\n  refit repo publish ./repository --keys ./keys hello-1100.refit\n  refit repo trust --root ./repository/metadata/1.root.json --state ./state\n  refit repo refresh --state ./state --metadata-url https://packs.example/metadata/\n\nKeys in several hands: docs/repository-keys.md"
)]
pub(crate) struct RepoArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes keys and an empty signed repository
    Init(publish::InitArgs),
    /// Adds packs and renews the expiry; without packs it publishes what was staged, or only renews
    Publish(publish::PublishArgs),
    /// Adds packs to what waits for signatures
    Stage(publish::StageArgs),
    /// Signs what waits, with the keys of one holder
    Sign(publish::SignArgs),
    /// Forgets what waits for signatures
    Discard(publish::DiscardArgs),
    /// Publishes a runbook under the delegation `runbooks`
    PublishRunbook(publish::RunbookArgs),
    /// Renews snapshot and timestamp with the online keys alone, and warns of what expires next
    RefreshTimestamp(upkeep::RefreshTimestampArgs),
    /// Shows every role with its keys, threshold and expiry
    Status(upkeep::StatusArgs),
    /// Makes and shows keys
    Key(key::KeyArgs),
    /// The root ceremony: edit, sign, publish
    Root(root::RootArgs),
    /// Who may publish what, beside the operator
    Delegation(delegation::DelegationArgs),
    /// Removes files that nothing refers to any more; shows first what that frees
    Clean(clean::CleanArgs),
    /// Takes a pack back for ever: nobody begins with it any more, also in running rollouts
    Withdraw(withdraw::WithdrawArgs),
    /// Writes packs with their signed metadata to a folder for a site without network
    Export(media::ExportArgs),
    /// Verifies such a folder and brings it into a repository folder or a server's state
    Import(media::ImportArgs),
    /// Pins the root of a repository in a state folder
    Trust(client::TrustArgs),
    /// Brings and verifies the newest metadata
    Refresh(client::RefreshArgs),
    /// Brings and verifies one target
    Get(client::GetArgs),
    /// Lists the runbooks that are published
    Runbooks(client::RefreshArgs),
    /// Shows what a metadata file says of itself, before it is signed or believed
    Inspect(client::InspectArgs),
}

/// Runs it.
pub(crate) async fn run(args: RepoArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Init(args) => publish::init(&args, context).await,
        Verb::Publish(args) => publish::publish(&args, context),
        Verb::Stage(args) => publish::stage(&args, context),
        Verb::Sign(args) => publish::sign(&args, context),
        Verb::Discard(args) => publish::discard(&args, context),
        Verb::PublishRunbook(args) => publish::runbook(&args, context),
        Verb::RefreshTimestamp(args) => upkeep::refresh_timestamp(&args, context),
        Verb::Status(args) => upkeep::status(&args, context),
        Verb::Key(args) => key::run(&args, context),
        Verb::Root(args) => root::run(&args, context),
        Verb::Delegation(args) => delegation::run(&args, context),
        Verb::Clean(args) => clean::run(&args, context),
        Verb::Withdraw(args) => withdraw::run(&args, context).await,
        Verb::Export(args) => media::export(&args, context).await,
        Verb::Import(args) => media::import(&args, context).await,
        Verb::Trust(args) => client::trust(&args, context),
        Verb::Refresh(args) => client::refresh(&args, context).await,
        Verb::Get(args) => client::get(&args, context).await,
        Verb::Runbooks(args) => client::runbooks(&args, context).await,
        Verb::Inspect(args) => client::inspect(&args, context),
    }
}
