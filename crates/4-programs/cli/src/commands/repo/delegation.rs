//! `refit repo delegation`: who may publish what, beside the operator.

use super::{
    keys::{
        HolderKeys, Sealed, Trial, confirm, lasting, public, refused, show_stage, show_visible,
    },
    publish::stage_for,
};
use crate::{CliError, Exit, context::Context, output::table, span};
use clap::{Args, Subcommand};
use refit_forge::repo::{self, DelegationOptions, RUNBOOKS, StageReport, TARGETS};
use refit_names::ProductName;
use serde_json::json;
use std::{path::PathBuf, time::Duration};

/// Arguments of `refit repo delegation`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo delegation add ./repository acme --key acme.pem.pub --product ledger --keys ./keys\n  refit repo delegation stage ./copy acme ledger-1100.refit\n  refit repo delegation sign ./copy acme --key acme.pem\n  refit repo delegation publish ./repository acme --staged ./copy/staged/acme --keys ./online"
)]
pub(super) struct DelegationArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lets a vendor, or the writers of runbooks, publish below some paths; changes the targets metadata
    Add(AddArgs),
    /// Ends a delegation: what it published is believed no more
    Remove(RemoveArgs),
    /// Shows the delegations that are published
    List {
        /// The repository's folder
        dir: PathBuf,
    },
    /// The vendor adds packs to what waits for his signatures
    Stage(StageArgs),
    /// The vendor signs with his own keys
    Sign(SignArgs),
    /// The repository takes over what the vendor signed
    Publish(PublishArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The vendor's name, or `runbooks`
    name: String,
    /// A public key of the vendor: PEM file or 64 hexadecimal digits; several times for several keys
    #[arg(long = "key", value_name = "PUB", required = true)]
    key: Vec<String>,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    threshold: u64,
    /// Targets that the vendor may publish; `packs/acme/*` means everything below packs/acme
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
    /// A product that the vendor may publish: short for --path 'packs/PRODUCT/*'
    #[arg(long, value_name = "PRODUCT")]
    product: Vec<ProductName>,
    /// Nobody behind this one is asked for these paths
    #[arg(long)]
    terminating: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// How a change of the targets metadata goes on.
#[derive(Debug, Args)]
struct ChangeArgs {
    /// Sign and publish at once with the keys of this folder; without it the change waits for its signers
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    sealed: Sealed,
    /// How long the targets metadata are believed
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = span::parse)]
    targets_expires: Duration,
    /// How long snapshot and timestamp are believed, until they are renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    #[command(flatten)]
    trial: Trial,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The vendor's name
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
struct StageArgs {
    /// The repository's folder, or a copy of its `metadata` and `targets/vendors`
    dir: PathBuf,
    /// The vendor's name
    name: String,
    /// Packs
    packs: Vec<PathBuf>,
    /// How long it is believed, until the vendor signs again
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
}

#[derive(Debug, Args)]
struct SignArgs {
    /// The repository's folder, or a copy of its `metadata`
    dir: PathBuf,
    /// The vendor's name
    name: String,
    /// The folder with what waits [default: DIR/staged/NAME]
    #[arg(long, value_name = "DIR")]
    staged: Option<PathBuf>,
    #[command(flatten)]
    keys: HolderKeys,
}

#[derive(Debug, Args)]
struct PublishArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The vendor's name
    name: String,
    /// The folder that came from the vendor [default: DIR/staged/NAME]
    #[arg(long, value_name = "DIR")]
    staged: Option<PathBuf>,
    /// A copy that was signed elsewhere; several times for several copies
    #[arg(long, value_name = "FILE")]
    signed: Vec<PathBuf>,
    /// The folder with the online keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    #[command(flatten)]
    sealed: Sealed,
    /// How long snapshot and timestamp are believed, until they are renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    #[command(flatten)]
    trial: Trial,
}

/// Runs it.
pub(super) fn run(args: &DelegationArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.verb {
        Verb::Add(args) => add(args, context),
        Verb::Remove(args) => remove(args, context),
        Verb::List { dir } => list(dir, context),
        Verb::Stage(args) => {
            stage_for(&args.dir, &args.name, &args.packs, None, args.expires, context)
        }
        Verb::Sign(args) => {
            let ring = args.keys.ring()?;
            let report = repo::sign_staged(&args.dir, &args.name, args.staged.as_deref(), &ring);
            show_stage(&report.map_err(refused)?, json!({ "role": args.name }), context)
        }
        Verb::Publish(args) => {
            let place = args.trial.at(&args.dir)?;
            let visible = repo::publish_staged(
                place.dir(),
                &args.name,
                args.staged.as_deref(),
                &args.signed,
                &args.sealed.ring(&args.keys)?,
                lasting(args.expires)?,
                context.ambient.clock.now(),
            );
            let exit = show_visible(visible.map_err(refused)?, context)?;
            Ok(place.leave(exit, context))
        }
    }
}

fn add(args: &AddArgs, context: &Context) -> Result<Exit, CliError> {
    let mut paths = args.path.clone();
    paths.extend(args.product.iter().map(|product| format!("packs/{product}/*")));
    if paths.is_empty() && args.name == RUNBOOKS {
        paths.push("runbooks/*".to_owned());
    }
    let options = DelegationOptions {
        name: args.name.clone(),
        keys: args.key.iter().map(|key| public(key)).collect::<Result<_, _>>()?,
        threshold: args.threshold,
        paths,
        terminating: args.terminating,
    };
    let expires = lasting(args.change.targets_expires)?;
    let now = context.ambient.clock.now();
    let place = args.change.trial.at(&args.dir)?;
    let report = repo::add_delegation(place.dir(), &options, expires, now).map_err(refused)?;
    let exit = go_on(place.dir(), &report, &args.change, context)?;
    Ok(place.leave(exit, context))
}

fn remove(args: &RemoveArgs, context: &Context) -> Result<Exit, CliError> {
    let question =
        format!("end the delegation to {}? What it published is believed no more", args.name);
    confirm(&question, args.yes || args.change.trial.is_dry(), context)?;
    let expires = lasting(args.change.targets_expires)?;
    let now = context.ambient.clock.now();
    let place = args.change.trial.at(&args.dir)?;
    let report = repo::remove_delegation(place.dir(), &args.name, expires, now).map_err(refused)?;
    let exit = go_on(place.dir(), &report, &args.change, context)?;
    Ok(place.leave(exit, context))
}

/// Publishes at once where all keys are at hand, else leaves the change for its signers.
fn go_on(
    dir: &std::path::Path,
    report: &StageReport,
    change: &ChangeArgs,
    context: &Context,
) -> Result<Exit, CliError> {
    let Some(keys) = &change.keys else { return show_stage(report, json!({}), context) };
    let ring = change.sealed.ring(keys)?;
    let _ = repo::sign_staged(dir, TARGETS, None, &ring).map_err(refused)?;
    let (expires, now) = (lasting(change.expires)?, context.ambient.clock.now());
    let visible = repo::publish_staged(dir, TARGETS, None, &[], &ring, expires, now);
    show_visible(visible.map_err(refused)?, context)
}

fn list(dir: &std::path::Path, context: &Context) -> Result<Exit, CliError> {
    let entries = repo::delegations(dir).map_err(refused)?;
    context.output.data(&json!({ "delegations": entries }), |_| {
        let rows = entries.iter().map(|entry| {
            [
                entry.name.clone(),
                format!("{} of {}", entry.threshold, entry.keys.len()),
                entry.version.to_string(),
                entry.expires.clone().unwrap_or_default(),
                entry.paths.join("\n"),
            ]
        });
        table(["name", "must sign", "version", "expires", "may publish"], rows.collect())
    })?;
    Ok(Exit::Done)
}
