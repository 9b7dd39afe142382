//! `refit repo clean`: giving back what nothing refers to.

use super::keys::{Sealed, confirm, lasting, refused};
use crate::{CliError, Exit, context::Context, output::table, span};
use clap::Args;
use refit_forge::repo::{self, Leftover, Leftovers};
use refit_names::ByteSize;
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};

/// Arguments of `refit repo clean`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo clean ./repository --dry-run\n  refit repo clean ./repository --withdrawn --keys ./keys --yes\n\nWhat a published pack needs, that is not withdrawn, is never removed. The content of withdrawn packs goes with --withdrawn only: do that when no rollout leads over them any more."
)]
pub(super) struct CleanArgs {
    /// The repository's folder
    dir: PathBuf,
    /// Younger files stay: clients may be reading them
    #[arg(long, default_value = "1d", value_name = "TIME", value_parser = span::parse)]
    older_than: Duration,
    /// The content of the operator's own withdrawn packs too: metadata are published that do not name it any more
    #[arg(long)]
    withdrawn: bool,
    /// The folder with the private keys, for --withdrawn
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    sealed: Sealed,
    /// How long what is published for --withdrawn is believed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    /// Only show what would be freed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub(super) fn run(args: &CleanArgs, context: &Context) -> Result<Exit, CliError> {
    if args.withdrawn && !args.dry_run && args.keys.is_none() {
        return Err(CliError::usage(
            "--withdrawn publishes metadata: give --keys DIR, or --dry-run",
        ));
    }
    let now = context.ambient.clock.now();
    let age = lasting(args.older_than)?;
    let mut found = repo::leftovers(&args.dir, age, now).map_err(refused)?;
    let withdrawn = if args.withdrawn {
        repo::withdrawn_content(&args.dir).map_err(refused)?
    } else {
        Vec::new()
    };
    let named = found.free.len();
    found.free.extend(withdrawn);
    if args.dry_run || found.free.is_empty() {
        show(&found, if args.dry_run { "would be freed" } else { "freed" }, context)?;
        let pending = args.dry_run && !found.free.is_empty();
        return Ok(if pending { Exit::ChangesPending } else { Exit::Done });
    }
    let (files, bytes) = (found.free.len(), found.bytes());
    confirm(&format!("remove {files} files, {bytes}?"), args.yes, context)?;
    if found.free.len() > named
        && let Some(keys) = &args.keys
    {
        let ring = args.sealed.ring(keys)?;
        let _ = repo::release_withdrawn(&args.dir, &ring, lasting(args.expires)?, now)
            .map_err(refused)?;
    }
    let _ = repo::clean(&args.dir, age, now).map_err(refused)?;
    show(&found, "freed", context)?;
    Ok(Exit::Done)
}

fn show(found: &Leftovers, word: &str, context: &Context) -> Result<(), CliError> {
    let list = |files: &[Leftover]| -> Vec<Value> {
        files
            .iter()
            .map(|file| json!({ "path": file.path, "size": file.size, "why": file.why }))
            .collect()
    };
    let data = json!({
        "outcome": word, "bytes": found.bytes(), "files": list(&found.free), "young": list(&found.young),
    });
    context.output.data(&data, |_| {
        let rows = found
            .free
            .iter()
            .map(|file| [file.path.display().to_string(), file.size.to_string(), file.why.clone()]);
        let rows: Vec<_> = rows.collect();
        let total = format!("{} files, {} {word}", rows.len(), found.bytes());
        if rows.is_empty() {
            total
        } else {
            format!("{}\n{total}", table(["file", "size", "why"], rows))
        }
    })?;
    if !found.young.is_empty() {
        let bytes = ByteSize(found.young.iter().map(|file| file.size.0).sum());
        let count = found.young.len();
        context.output.say(&format!("{count} more files, {bytes}, are too young: --older-than"));
    }
    Ok(())
}
