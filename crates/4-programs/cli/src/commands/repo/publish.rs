//! `refit repo init|stage|sign|publish|discard|publish-runbook`: what the targets role says.

use super::keys::{
    HolderKeys, Sealed, Trial, confirm, lasting, public, refused, show_stage, show_visible,
};
use crate::{CliError, Exit, context::Context, output::table, span};
use clap::Args;
use refit_forge::{
    PackFile,
    key::PublicKey,
    repo::{
        self, Expiry, InitOptions, PublishReport, PublishedPack, Signers, StagedPacks, TARGETS,
    },
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The repository's folder: metadata/ and targets/ for any static web server
    dir: PathBuf,
    /// The folder for the private keys; root and targets keys belong offline
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// How many root keys to make
    #[arg(long, default_value_t = 1, value_name = "N")]
    root_keys: u64,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    root_threshold: u64,
    /// How many targets keys to make
    #[arg(long, default_value_t = 1, value_name = "N")]
    targets_keys: u64,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    targets_threshold: u64,
    /// A root key that somebody else holds: PEM file or 64 hexadecimal digits; several times for several holders. No root or targets key
    /// is made here then, and the root waits for their signatures
    #[arg(long = "root-key", value_name = "PUB", requires = "targets_key")]
    root_key: Vec<String>,
    /// A targets key that somebody else holds
    #[arg(long = "targets-key", value_name = "PUB", requires = "root_key")]
    targets_key: Vec<String>,
    /// How long the root is believed
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = span::parse)]
    root_expires: Duration,
    /// How long what is published is believed, until it is renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
}

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The folder with the private keys; for what is staged the online ones suffice
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    #[command(flatten)]
    sealed: Sealed,
    /// Packs
    packs: Vec<PathBuf>,
    /// A copy of what waits that was signed elsewhere; several times for several copies
    #[arg(long, value_name = "FILE", conflicts_with = "packs")]
    signed: Vec<PathBuf>,
    /// Public key that must have signed each pack
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long it is believed, until it is renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    #[command(flatten)]
    trial: Trial,
}

/// Arguments of `refit repo stage`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo stage ./repository ledger-1100.refit\n  refit repo sign ./repository --key targets-1.pem\n  refit repo publish ./repository --keys ./online"
)]
pub(super) struct StageArgs {
    /// The repository's folder
    dir: PathBuf,
    /// Packs
    packs: Vec<PathBuf>,
    /// Public key that must have signed each pack
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long the targets metadata are believed
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
}

/// Arguments of `refit repo sign`.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The repository's folder, or a copy of its `metadata` and `staged`
    dir: PathBuf,
    #[command(flatten)]
    keys: HolderKeys,
}

/// Arguments of `refit repo discard`.
#[derive(Debug, Args)]
pub(super) struct DiscardArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The role: root, targets or a delegation's name
    #[arg(default_value = TARGETS)]
    role: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Arguments of `refit repo publish-runbook`.
#[derive(Debug, Args)]
pub(super) struct RunbookArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The runbook
    file: PathBuf,
    /// The folder with the keys of the delegation `runbooks` and the online ones; without it the runbook waits for its signers
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    sealed: Sealed,
    /// How long snapshot and timestamp are believed, until they are renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    #[command(flatten)]
    trial: Trial,
}

/// Makes a repository.
pub(super) async fn init(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
    let now = context.ambient.clock.now();
    if !args.root_key.is_empty() {
        let keys =
            |texts: &[String]| texts.iter().map(|text| public(text)).collect::<Result<Vec<_>, _>>();
        let (root, targets) = (keys(&args.root_key)?, keys(&args.targets_key)?);
        let report = repo::init_staged(
            &args.dir,
            &args.keys,
            (&root, args.root_threshold),
            (&targets, args.targets_threshold),
            lasting(args.root_expires)?,
            now,
        );
        return show_stage(&report.map_err(refused)?, json!({}), context);
    }
    let options = InitOptions {
        root: Signers { keys: args.root_keys, threshold: args.root_threshold },
        targets: Signers { keys: args.targets_keys, threshold: args.targets_threshold },
        expiry: Expiry { root: lasting(args.root_expires)?, online: lasting(args.expires)? },
    };
    let root = repo::init(&args.dir, &args.keys, &options, now).await.map_err(refused)?;
    context
        .output
        .data(&json!({ "repository": args.dir, "keys": args.keys, "root": root }), |_| {
            root.display().to_string()
        })?;
    context.output.say("clients pin this root; keep root-*.der and targets-*.der offline");
    Ok(Exit::Done)
}

/// Publishes packs, or what waits.
pub(super) fn publish(args: &PublishArgs, context: &Context) -> Result<Exit, CliError> {
    let now = context.ambient.clock.now();
    let expires = lasting(args.expires)?;
    let ring = args.sealed.ring(&args.keys)?;
    let place = args.trial.at(&args.dir)?;
    let dir = place.dir();
    if args.packs.is_empty() && repo::staged_folder(dir, TARGETS).exists() {
        let visible = repo::publish_staged(dir, TARGETS, None, &args.signed, &ring, expires, now);
        let exit = show_visible(visible.map_err(refused)?, context)?;
        return Ok(place.leave(exit, context));
    }
    let key = args.key.as_deref().map(PublicKey::read).transpose().map_err(refused)?;
    let report =
        repo::publish_with(dir, &ring, &args.packs, key.as_ref(), expires, now).map_err(refused)?;
    let PublishReport { added, unchanged, version, expires } = &report;
    let data = json!({ "added": list(added), "unchanged": list(unchanged), "version": version, "expires": expires.to_string() });
    context.output.data(&data, |_| packs_table(added, unchanged))?;
    context.output.say(&format!("metadata version {version}, believed until {expires}"));
    if !added.is_empty() {
        advise_deltas(dir, &args.dir, &args.packs, context)?;
    }
    Ok(place.leave(Exit::Done, context))
}

/// Says which deltas could have been made. Here it is too late: they would change the digest that was signed and told.
fn advise_deltas(
    dir: &Path,
    shown: &Path,
    packs: &[PathBuf],
    context: &Context,
) -> Result<(), CliError> {
    for path in packs {
        let pack = PackFile::read(path).map_err(refused)?;
        let lacking = repo::without_deltas(dir, &pack).map_err(refused)?;
        if let Some(build) = lacking.first() {
            let others = match lacking.len() - 1 {
                0 => String::new(),
                count => format!(" and {count} more builds"),
            };
            context.output.say(&format!(
                "{}: no deltas from {build}{others}, which this repository has; smaller for hosts: refit pack build FOLDER --against-repository {}",
                path.display(),
                shown.display()
            ));
        }
    }
    Ok(())
}

/// Stages packs for the holders of the targets keys.
pub(super) fn stage(args: &StageArgs, context: &Context) -> Result<Exit, CliError> {
    stage_for(&args.dir, TARGETS, &args.packs, args.key.as_deref(), args.expires, context)
}

/// Stages packs for the holders of a role's keys.
pub(super) fn stage_for(
    dir: &Path,
    role: &str,
    packs: &[PathBuf],
    key: Option<&Path>,
    expires: Duration,
    context: &Context,
) -> Result<Exit, CliError> {
    let key = key.map(PublicKey::read).transpose().map_err(refused)?;
    let now = context.ambient.clock.now();
    let staged = repo::stage_packs(dir, role, packs, key.as_ref(), lasting(expires)?, now)
        .map_err(refused)?;
    let StagedPacks { added, unchanged, stage } = &staged;
    let more = json!({ "role": role, "added": list(added), "unchanged": list(unchanged) });
    show_stage(stage, more, context)
}

/// Adds one holder's signatures.
pub(super) fn sign(args: &SignArgs, context: &Context) -> Result<Exit, CliError> {
    let report = repo::sign_staged(&args.dir, TARGETS, None, &args.keys.ring()?);
    show_stage(&report.map_err(refused)?, json!({ "role": TARGETS }), context)
}

/// Forgets what waits.
pub(super) fn discard(args: &DiscardArgs, context: &Context) -> Result<Exit, CliError> {
    let question = format!("forget the {} metadata that wait, with their signatures?", args.role);
    confirm(&question, args.yes, context)?;
    repo::discard(&args.dir, &args.role).map_err(refused)?;
    context.output.data(&json!({ "discarded": args.role }), |_| String::new())?;
    Ok(Exit::Done)
}

/// Publishes or stages a runbook.
pub(super) fn runbook(args: &RunbookArgs, context: &Context) -> Result<Exit, CliError> {
    let now = context.ambient.clock.now();
    let expires = lasting(args.expires)?;
    let place = args.trial.at(&args.dir)?;
    let dir = place.dir();
    let about = |runbook: &repo::PublishedRunbook| json!({ "name": runbook.name, "version": runbook.version, "target": runbook.target, "digest": runbook.digest });
    let Some(keys) = &args.keys else {
        let lasts = lasting(Duration::from_secs(365 * 24 * 3600))?;
        let (runbook, stage) = repo::stage_runbook(dir, &args.file, lasts, now).map_err(refused)?;
        let exit = show_stage(&stage, json!({ "runbook": about(&runbook) }), context)?;
        return Ok(place.leave(exit, context));
    };
    let ring = args.sealed.ring(keys)?;
    let (runbook, visible) =
        repo::publish_runbook(dir, &args.file, &ring, expires, now).map_err(refused)?;
    let data = json!({ "runbook": about(&runbook), "metadata_version": visible.version, "expires": visible.expires.to_string() });
    context.output.data(&data, |_| runbook.target.to_string())?;
    Ok(place.leave(Exit::Done, context))
}

fn list(packs: &[PublishedPack]) -> Vec<Value> {
    packs
        .iter()
        .map(|pack| json!({ "product": pack.product, "to": pack.to, "record": pack.record }))
        .collect()
}

fn packs_table(added: &[PublishedPack], unchanged: &[PublishedPack]) -> String {
    let row = |pack: &PublishedPack, what: &str| {
        [pack.product.to_string(), pack.to.to_string(), what.to_owned(), pack.record.to_string()]
    };
    let added = added.iter().map(|pack| row(pack, "added"));
    let rows: Vec<_> = added.chain(unchanged.iter().map(|pack| row(pack, "unchanged"))).collect();
    if rows.is_empty() { String::new() } else { table(["product", "build", "", "record"], rows) }
}
