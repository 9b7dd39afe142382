//! `refit signoff`: parties sign for hosts, certificates are exported, and checked without any server.

mod carry;
mod export;
mod verify;

use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{CertificateView, Right, SignOff};
use std::path::PathBuf;

/// Arguments of `refit signoff`.
#[derive(Debug, Args)]
pub(crate) struct SignoffArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Signs for one host; the last missing signature makes its certificate final
    #[command(
        after_help = "Example:\n  refit signoff sign spring web-1 --as application-owner --remark \"month-end report compared\""
    )]
    Sign {
        /// The rollout
        rollout: RolloutName,
        /// The host
        host: HostName,
        /// As which party: deployer, application-owner, …
        #[arg(long = "as", value_name = "PARTY", value_parser = super::user::right)]
        party: Right,
        /// For the certificate
        #[arg(long, default_value = "")]
        remark: String,
    },
    /// Writes all certificates of a rollout, as PDF and signed JSON, with the public key
    #[command(after_help = "Example:\n  refit signoff export spring --out certificates")]
    Export {
        /// The rollout
        #[arg(required_unless_present = "all")]
        rollout: Option<RolloutName>,
        /// The final certificates of all rollouts, with a list, to be carried to another site
        #[arg(long, conflicts_with = "rollout")]
        all: bool,
        /// The folder; made when it is missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Verifies evidence that came from another site and keeps it in a folder
    #[command(
        after_help = "Example:\n  refit signoff import /media/usb/evidence --key north.pub.pem --into /srv/evidence/north"
    )]
    Import {
        /// The folder that `refit signoff export --all` wrote
        dir: PathBuf,
        /// The public key of the site that it comes from, PEM, from a source that you trust
        #[arg(long, value_name = "PEM")]
        key: PathBuf,
        /// The folder that keeps it
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
        /// Only verifies
        #[arg(long)]
        dry_run: bool,
    },
    /// Checks a signed certificate; needs no server. Ends with 9 when it does not hold
    #[command(
        after_help = "Example:\n  refit signoff verify 'north - web-1 - 2026-11-21.json' --key signoff.pub.pem"
    )]
    Verify {
        /// The signed JSON
        file: PathBuf,
        /// The public key, PEM
        #[arg(long, value_name = "PEM")]
        key: PathBuf,
    },
}

/// Runs it.
pub(crate) async fn run(args: SignoffArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Sign { rollout, host, party, remark } => {
            let act = SignOff { party, remark };
            let view = context.api()?.sign(&rollout, &host, &act).await?;
            context.output.data(&view, signed)?;
            Ok(Exit::Done)
        }
        Verb::Export { rollout, out, .. } => {
            carry::export_one_or_all(context, rollout.as_ref(), &out).await
        }
        Verb::Import { dir, key, into, dry_run } => {
            carry::import(context, &dir, &key, &into, dry_run)
        }
        Verb::Verify { file, key } => verify::run(context, &file, &key),
    }
}

fn signed(view: &CertificateView) -> String {
    if view.missing.is_empty() {
        return format!("{} is final", view.name);
    }
    format!("{} still needs: {}", view.name, missing(view))
}

fn missing(view: &CertificateView) -> String {
    let names = view.missing.iter().map(|party| party.to_string());
    names.collect::<Vec<_>>().join(", ")
}
