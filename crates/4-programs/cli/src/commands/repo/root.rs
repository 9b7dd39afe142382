//! `refit repo root`: the root ceremony. Old and new thresholds both sign.

use super::keys::{HolderKeys, Sealed, Trial, lasting, public, refused, show_stage, show_visible};
use crate::{CliError, Exit, context::Context, span};
use clap::{Args, Subcommand};
use refit_forge::{
    key::Keyring,
    repo::{self, RootChange, TopRole},
};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Arguments of `refit repo root`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo root edit ./repository --replace timestamp=timestamp-2.pem.pub\n  refit repo root sign ./repository --key root-1.pem\n  refit repo root publish ./repository --keys ./online"
)]
pub(super) struct RootArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prepares the next root; nothing is visible before it is signed and published
    Edit(EditArgs),
    /// Adds one holder's signatures to what waits
    Sign {
        /// The repository's folder, or a copy of its `metadata` and `staged`
        dir: PathBuf,
        #[command(flatten)]
        keys: HolderKeys,
    },
    /// Makes the next root visible, once the old and the new threshold have signed
    Publish(PublishArgs),
}

#[derive(Debug, Args)]
struct EditArgs {
    /// The repository's folder
    dir: PathBuf,
    /// One key more for a role
    #[arg(long, value_name = "ROLE=PUB")]
    add: Vec<String>,
    /// One key less, by its id or the beginning of it
    #[arg(long, value_name = "ROLE=ID")]
    remove: Vec<String>,
    /// These keys instead of all that the role has; several times for several keys
    #[arg(long, value_name = "ROLE=PUB")]
    replace: Vec<String>,
    /// How many must sign
    #[arg(long, value_name = "ROLE=N")]
    threshold: Vec<String>,
    /// How long the root is believed
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
}

#[derive(Debug, Args)]
struct PublishArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The folder with the online keys, new ones included
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    sealed: Sealed,
    /// A copy that was signed elsewhere; several times for several copies
    #[arg(long, value_name = "FILE")]
    signed: Vec<PathBuf>,
    /// How long snapshot and timestamp are believed, until they are renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    #[command(flatten)]
    trial: Trial,
}

/// Runs it.
pub(super) fn run(args: &RootArgs, context: &Context) -> Result<Exit, CliError> {
    let now = context.ambient.clock.now();
    match &args.verb {
        Verb::Edit(args) => {
            let report = repo::edit_root(&args.dir, &changes(args)?, lasting(args.expires)?, now);
            show_stage(&report.map_err(refused)?, json!({}), context)
        }
        Verb::Sign { dir, keys } => {
            let report = repo::sign_root(dir, &keys.ring()?).map_err(refused)?;
            show_stage(&report, json!({}), context)
        }
        Verb::Publish(args) => {
            let ring = match &args.keys {
                Some(dir) => args.sealed.ring(dir)?,
                None => Keyring::empty(),
            };
            let expires = lasting(args.expires)?;
            let place = args.trial.at(&args.dir)?;
            let visible = repo::publish_root(place.dir(), &args.signed, &ring, expires, now);
            let exit = show_visible(visible.map_err(refused)?, context)?;
            Ok(place.leave(exit, context))
        }
    }
}

fn changes(args: &EditArgs) -> Result<Vec<RootChange>, CliError> {
    let mut changes = Vec::new();
    let mut replaced: BTreeMap<TopRole, Vec<_>> = BTreeMap::new();
    for text in &args.replace {
        let (role, key) = split(text)?;
        replaced.entry(role).or_default().push(public(key)?);
    }
    changes.extend(replaced.into_iter().map(|(role, keys)| RootChange::Replace(role, keys)));
    for text in &args.add {
        let (role, key) = split(text)?;
        changes.push(RootChange::Add(role, public(key)?));
    }
    for text in &args.remove {
        let (role, key) = split(text)?;
        changes.push(RootChange::Remove(role, key.to_owned()));
    }
    for text in &args.threshold {
        let (role, number) = split(text)?;
        let number = number
            .parse()
            .map_err(|_| CliError::usage(format!("expected ROLE=N, found `{text}`")))?;
        changes.push(RootChange::Threshold(role, number));
    }
    Ok(changes)
}

fn split(text: &str) -> Result<(TopRole, &str), CliError> {
    let wrong = || {
        CliError::usage(format!(
            "expected root=…, targets=…, snapshot=… or timestamp=…, found `{text}`"
        ))
    };
    let (role, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((TopRole::parse(role).ok_or_else(wrong)?, value))
}
