//! `refit fleet`: hosts, how they are let in, and what is known of them.

mod export;
mod import;
mod quarantine;
mod records;
mod show;

use crate::{CliError, Exit, context::Context, span};
use clap::{Args, Subcommand};
use refit_client::ClientError;
use refit_inventory::HostField;
use refit_names::{HostName, RoleName, SiteName};
use refit_protocol::v1::{HostSet, NewEnrolmentToken, Reason};
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
    /// Takes records over from a CSV file, from `ansible-inventory --list` or from a document; all of them or none
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// What is in it; by default what its name says
        #[arg(long)]
        format: Option<import::Format>,
        #[command(flatten)]
        mapping: import::Mapping,
        /// Shows what would change and changes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes what people state of hosts, as a file that can be imported again
    #[command(
        after_help = "Examples:\n  refit fleet export > servers.csv\n  refit fleet export --format json > fleet.json\n  refit fleet export --format ansible --where 'site == \"north\"' > north.json"
    )]
    Export {
        /// How it is written; csv by default, json with --json
        #[arg(long)]
        format: Option<export::ExportFormat>,
        /// Only hosts that this expression names (docs/expressions.md)
        #[arg(long = "where", value_name = "EXPRESSION")]
        filter: Option<String>,
    },
    /// Lists hosts with build, risk and when they were heard of
    #[command(
        after_help = "Examples:\n  refit fleet list --where 'role == \"web\" && criticality >= \"high\"'\n  refit fleet list --sort risk --reverse --columns name,risk,owner,cluster"
    )]
    List {
        /// Only hosts that this expression names (docs/expressions.md)
        #[arg(long = "where", value_name = "EXPRESSION")]
        filter: Option<String>,
        /// Sorts by this column
        #[arg(long, value_name = "COLUMN", default_value = "name")]
        sort: show::Column,
        /// The largest first
        #[arg(long)]
        reverse: bool,
        /// Columns, separated by commas: any field of an import, builds, risk, state, agent
        #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
        columns: Vec<show::Column>,
    },
    /// Shows all that is known of one host: each fact with its source and age, and what changed
    #[command(after_help = "Example:\n  refit fleet show web-1")]
    Show {
        /// The host
        host: HostName,
    },
    /// Sets fields of a host
    #[command(
        after_help = "Example:\n  refit fleet set web-1 criticality=high tags=\"eu pci\" owner=owner cluster="
    )]
    Set {
        /// The host
        host: HostName,
        /// FIELD=VALUE; an empty value sets what a new host has
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = assignment)]
        fields: Vec<(HostField, String)>,
        /// Shows what would change and changes nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes a host out of service: it gets no orders and counts nowhere
    #[command(
        after_help = "Example:\n  refit fleet retire web-9 --reason 'replaced by web-12' --yes"
    )]
    Retire {
        /// The host
        host: HostName,
        /// Why, for the record
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        sure: records::Sure,
    },
    /// Takes a retired host back into service
    #[command(after_help = "Example:\n  refit fleet unretire web-9")]
    Unretire {
        /// The host
        host: HostName,
    },
    /// Lets a build come again that was rolled back on a host, once its cause is gone
    ClearQuarantine(quarantine::ClearArgs),
    /// Places with hosts
    Site {
        #[command(subcommand)]
        verb: records::SiteVerb,
    },
    /// Hosts that stand in for each other
    Cluster {
        #[command(subcommand)]
        verb: records::ClusterVerb,
    },
    /// People who change hosts
    Engineer {
        #[command(subcommand)]
        verb: records::EngineerVerb,
    },
}

const IMPORT_HELP: &str = "\
Examples:
  refit fleet import servers.csv --dry-run
  refit fleet import fleet.yaml
  ansible-inventory --list | refit fleet import --format ansible --role-groups role_ --group-tags -

Columns of a CSV file: name, site, role; and any of owner, criticality, tags, cluster, after, tier, windows, time_class, retired,
os, memory, booted, backup, products. Lists are separated by blanks. docs/fleet.md has all of it.";

fn assignment(text: &str) -> Result<(HostField, String), String> {
    let (field, value) = text.split_once('=').ok_or("expected FIELD=VALUE")?;
    Ok((HostField::parse(field)?, value.to_owned()))
}

/// An error whose faults are lines of their own.
fn faults(error: ClientError) -> CliError {
    let ClientError::Problem(problem) = &error else { return error.into() };
    let lines: Vec<String> = problem.faults.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        return error.into();
    }
    let count = refit_names::counted(lines.len(), "fault");
    let code = problem.code.clone();
    CliError::new(&code, Exit::Usage, format!("{count}, nothing was changed")).with_details(lines)
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
        Verb::Import { file, format, mapping, dry_run } => {
            let wanted = import::Wanted { file: &file, format, mapping: &mapping, dry_run };
            return import::run(wanted, context).await;
        }
        Verb::Export { format, filter } => {
            return export::run(format, filter.as_deref(), context).await;
        }
        Verb::List { filter, sort, reverse, columns } => {
            let mut hosts = context.api()?.hosts_where(filter.as_deref()).await?;
            show::sort(&mut hosts, sort, reverse);
            let columns = if columns.is_empty() { show::Column::USUAL.to_vec() } else { columns };
            context.output.data(&hosts, |hosts| show::list(hosts, &columns))?;
        }
        Verb::Show { host } => show_one(&host, context).await?,
        Verb::Set { host, fields, dry_run } => {
            let set = HostSet { fields: fields.into_iter().collect(), dry_run };
            let done = context.api()?.set_host(&host, &set).await.map_err(faults)?;
            context.output.data(&done, |done| import::changes(done, dry_run))?;
            let pending = dry_run && !done.changes.is_empty();
            return Ok(if pending { Exit::ChangesPending } else { Exit::Done });
        }
        Verb::Retire { host, reason, sure } => {
            sure.check(context, &format!("retire {host}"))?;
            let done = context.api()?.retire_host(&host, &Reason { reason }).await?;
            context.output.data(&done, |done| import::changes(done, false))?;
        }
        Verb::Unretire { host } => {
            let done = context.api()?.unretire_host(&host).await.map_err(faults)?;
            context.output.data(&done, |done| import::changes(done, false))?;
        }
        Verb::ClearQuarantine(args) => return quarantine::clear(args, context).await,
        Verb::Site { verb } => return records::site(verb, context).await,
        Verb::Cluster { verb } => return records::cluster(verb, context).await,
        Verb::Engineer { verb } => return records::engineer(verb, context).await,
    }
    Ok(Exit::Done)
}

async fn show_one(host: &HostName, context: &Context) -> Result<(), CliError> {
    let api = context.api()?;
    let (view, changes) = (api.host(host).await?, api.host_changes(host).await?);
    if context.output.is_json() {
        let mut json =
            serde_json::to_value(&view).map_err(|error| CliError::usage(error.to_string()))?;
        json["changes"] =
            serde_json::to_value(&changes).map_err(|error| CliError::usage(error.to_string()))?;
        return context.output.data(&json, |_| String::new());
    }
    context.output.text(&show::one(&view, &changes, context.ambient.clock.now()))
}
