//! `refit fleet`: hosts, how they are let in, and what is known of them.

mod import;
mod show;

use crate::{CliError, Exit, context::Context, span};
use clap::{Args, Subcommand};
use refit_names::{HostName, RoleName, SiteName};
use refit_protocol::v1::{HostImport, NewEnrolmentToken};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `refit fleet`.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a one-time token with which a host's agent is let in
    #[command(
        after_help = "Example:\n  refit-agent enroll --server URL --host web-1 --token \"$(refit fleet token --site north --role app --host web-1)\""
    )]
    Token {
        /// Where the host stands
        #[arg(long)]
        site: SiteName,
        /// What it does
        #[arg(long)]
        role: RoleName,
        /// Only this host may use it
        #[arg(long)]
        host: Option<HostName>,
        /// How long it holds
        #[arg(long, default_value = "1h", value_parser = span::parse)]
        expires: Duration,
    },
    /// Takes hosts over from a CSV file or from `ansible-inventory --list`; all of them or none
    #[command(
        after_help = "Example:\n  refit fleet import servers.csv\n  ansible-inventory --list | refit fleet import --format ansible -\n\nColumns of the CSV file: name, site, role; optional: owner, criticality, cluster, tags, after (the last two separated by blanks)."
    )]
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// What is in it; by default what its name says
        #[arg(long)]
        format: Option<import::Format>,
        /// Site for hosts of an Ansible inventory without the variable `refit_site`
        #[arg(long, default_value = "default")]
        site: SiteName,
        /// Shows what would be sent and sends nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists hosts with build, risk and when they were heard of
    #[command(after_help = "Example:\n  refit fleet list --json")]
    List,
    /// Shows all that is known of one host
    #[command(after_help = "Example:\n  refit fleet show web-1")]
    Show {
        /// The host
        host: HostName,
    },
}

/// Runs it.
pub(crate) async fn run(args: FleetArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Token { site, role, host, expires } => {
            let expires_in_ms = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
            let request = NewEnrolmentToken { host, site, role, expires_in_ms };
            let token = context.api()?.enrolment_token(&request).await?;
            context.output.data(&token, |token| token.token.clone())?;
        }
        Verb::Import { file, format, site, dry_run } => {
            let hosts = import::read(&file, format, &site)?;
            if dry_run {
                context.output.data(&hosts, |hosts| show::records(hosts))?;
                return Ok(Exit::ChangesPending);
            }
            let done = context.api()?.import_hosts(&HostImport { hosts }).await?;
            context.output.data(&done, |done| {
                format!(
                    "{} created, {} updated, {} unchanged",
                    done.created, done.updated, done.unchanged
                )
            })?;
        }
        Verb::List => {
            let hosts = context.api()?.hosts().await?;
            context.output.data(&hosts, |hosts| show::list(hosts))?;
        }
        Verb::Show { host } => {
            let host = context.api()?.host(&host).await?;
            context.output.data(&host, show::one)?;
        }
    }
    Ok(Exit::Done)
}
