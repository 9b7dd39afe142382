//! `refit repo refresh-timestamp|status`: keeping a repository believed.

use super::keys::{Sealed, lasting, refused};
use crate::{CliError, Exit, context::Context, output::table, span};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use refit_forge::repo::{self, RoleStatus};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Arguments of `refit repo refresh-timestamp`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example (a timer's line):\n  0 3 * * * refit repo refresh-timestamp /srv/repository --keys /etc/refit/online --expires 7d"
)]
pub(super) struct RefreshTimestampArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The folder with the online keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    #[command(flatten)]
    sealed: Sealed,
    /// How long snapshot and timestamp are believed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
    /// Warn of roles that expire within this time
    #[arg(long, default_value = "14d", value_name = "TIME", value_parser = span::parse)]
    warn_before: Duration,
}

/// Arguments of `refit repo status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The repository's folder
    dir: PathBuf,
    /// Warn of roles that expire within this time
    #[arg(long, default_value = "14d", value_name = "TIME", value_parser = span::parse)]
    warn_before: Duration,
}

/// Renews the online roles.
pub(super) fn refresh_timestamp(
    args: &RefreshTimestampArgs,
    context: &Context,
) -> Result<Exit, CliError> {
    let now = context.ambient.clock.now();
    let ring = args.sealed.ring(&args.keys)?;
    let visible =
        repo::refresh_timestamp(&args.dir, &ring, lasting(args.expires)?, now).map_err(refused)?;
    let mut expiring = expiring(&args.dir, args.warn_before, now)?;
    // What was renewed just now lasts as long as was asked for.
    expiring.retain(|role| !matches!(role.role.as_str(), "snapshot" | "timestamp"));
    let data = json!({
        "version": visible.version, "expires": visible.expires.to_string(), "expiring": expiring,
    });
    context.output.data(&data, |_| visible.version.to_string())?;
    let (version, expires) = (visible.version, visible.expires);
    context.output.say(&format!("metadata version {version}, believed until {expires}"));
    warn(&expiring, now, context);
    Ok(Exit::Done)
}

/// Shows every role. Ends with 8 when one of them must be renewed soon.
pub(super) fn status(args: &StatusArgs, context: &Context) -> Result<Exit, CliError> {
    let now = context.ambient.clock.now();
    let roles = repo::status(&args.dir).map_err(refused)?;
    let expiring = expiring(&args.dir, args.warn_before, now)?;
    let data = json!({ "roles": roles, "expiring": expiring });
    context.output.data(&data, |_| {
        let rows = roles.iter().map(|role| {
            [
                role.role.clone(),
                role.version.to_string(),
                role.expires.to_string(),
                format!("{} of {}", role.threshold, role.keys.len()),
                role.signatures.to_string(),
                role.keys
                    .iter()
                    .map(|key| key[..key.len().min(12)].to_owned())
                    .collect::<Vec<_>>()
                    .join(" "),
                if role.staged { "next one waits".to_owned() } else { String::new() },
            ]
        });
        table(["role", "version", "expires", "must sign", "signed", "keys", ""], rows.collect())
    })?;
    warn(&expiring, now, context);
    Ok(if expiring.is_empty() { Exit::Done } else { Exit::ChangesPending })
}

fn expiring(dir: &Path, before: Duration, now: Timestamp) -> Result<Vec<RoleStatus>, CliError> {
    let limit = now + lasting(before)?;
    let mut roles = repo::status(dir).map_err(refused)?;
    roles.retain(|role| role.expires <= limit);
    Ok(roles)
}

fn warn(expiring: &[RoleStatus], now: Timestamp, context: &Context) {
    for role in expiring {
        let left = role.expires.duration_since(now);
        let when = if left <= SignedDuration::ZERO {
            "has expired".to_owned()
        } else {
            format!("expires in {} days", left.as_hours() / 24)
        };
        context.output.say(&format!("warning: {} {when}, at {}", role.role, role.expires));
    }
}
