//! `refit backup`: what hosts have of backups, and what they are asked for.

mod ask;
mod schedule;

use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_names::{HostName, ProductName};
use refit_protocol::{backup::BackupView, v1::HostBackups};

/// Arguments of `refit backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Asks a host for a backup now
    #[command(after_help = "Example:\n  refit backup run web-1 ledger --quiesce --wait")]
    Run {
        #[command(flatten)]
        of: Of,
        /// Stops the product for the moment that is saved
        #[arg(long)]
        quiesce: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Lists what hosts have; exit code 6 when something is wrong with one of them
    #[command(after_help = "Example:\n  refit backup list\n  refit backup list web-1 --json")]
    List {
        /// Only of this host
        host: Option<HostName>,
    },
    /// Shows one backup
    #[command(after_help = "Example:\n  refit backup show web-1 ledger latest")]
    Show {
        #[command(flatten)]
        of: Of,
        /// Its name, the beginning of its snapshot's identifier, or `latest`
        backup: String,
    },
    /// Has a host read a backup back, byte by byte
    #[command(after_help = "Example:\n  refit backup verify web-1 ledger latest --scratch --wait")]
    Verify {
        #[command(flatten)]
        of: Of,
        /// As for `show`
        backup: String,
        /// Restores it into scratch space too, databases included
        #[arg(long)]
        scratch: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Has a host bring the whole unit back, files and databases together; what is there now is kept aside
    #[command(
        after_help = "Example:\n  refit backup restore web-1 ledger manual-20261121T020000Z --wait"
    )]
    Restore {
        #[command(flatten)]
        of: Of,
        /// As for `show`
        backup: String,
        /// Restores also when the release of its build was changed since the backup was taken
        #[arg(long)]
        release_as_it_is: bool,
        /// Does not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// When hosts back up by themselves, and how long backups stay
    Schedule(schedule::ScheduleArgs),
}

/// Which host, which product.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// The host
    host: HostName,
    /// The product
    product: ProductName,
}

/// Whether to wait.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Waits for the end and says what came of it; Ctrl-C only stops waiting
    #[arg(long)]
    wait: bool,
    /// Stops waiting after this time, with exit code 124
    #[arg(long, value_parser = crate::span::parse, value_name = "TIME", requires = "wait")]
    timeout: Option<std::time::Duration>,
}

/// Runs it.
pub(crate) async fn run(args: BackupArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Run { of, quiesce, wait } => ask::run(of, quiesce, wait, context).await,
        Verb::Verify { of, backup, scratch, wait } => {
            ask::verify(of, backup, scratch, wait, context).await
        }
        Verb::Restore { of, backup, release_as_it_is, yes, wait } => {
            ask::restore(of, (backup, release_as_it_is), yes, wait, context).await
        }
        Verb::List { host } => list(host, context).await,
        Verb::Show { of, backup } => show(&of, &backup, context).await,
        Verb::Schedule(args) => schedule::run(args, context).await,
    }
}

async fn list(host: Option<HostName>, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    let hosts = match host {
        Some(host) => vec![api.host_backups(&host).await?],
        None => api.backups().await?,
    };
    context.output.data(&hosts, |hosts| {
        let rows = hosts.iter().flat_map(|host| host.report.backups.iter().map(|b| row(host, b)));
        table(["host", "product", "backup", "build", "size", "where", "proof"], rows.collect())
    })?;
    for host in &hosts {
        if let Some(running) = &host.report.running {
            context.output.say(&format!(
                "{}: {}: {running}, since {}",
                host.host, running.product, running.since
            ));
        }
        for alarm in &host.alarms {
            context.output.say(&format!("{}: {alarm}", host.host));
        }
    }
    let wrong = hosts.iter().any(|host| !host.alarms.is_empty());
    Ok(if wrong { Exit::Partial } else { Exit::Done })
}

fn row(host: &HostBackups, backup: &BackupView) -> [String; 7] {
    [
        host.host.to_string(),
        backup.product.to_string(),
        backup.id.clone(),
        backup.build.to_string(),
        backup.size.to_string(),
        backup.place().to_owned(),
        backup.proof(),
    ]
}

/// The backup of that name, by the beginning of its snapshot's identifier, or the newest.
fn find<'a>(host: &'a HostBackups, of: &Of, backup: &str) -> Result<&'a BackupView, CliError> {
    let mine = host.report.backups.iter().filter(|view| view.product == of.product);
    let found = BackupView::named(mine, backup);
    found.ok_or_else(|| {
        let text = format!(
            "host `{}` has told of no backup `{backup}` of product `{}`",
            of.host, of.product
        );
        CliError::new("backup.no-snapshot", Exit::NotFound, text)
    })
}

async fn show(of: &Of, backup: &str, context: &Context) -> Result<Exit, CliError> {
    let host = context.api()?.host_backups(&of.host).await?;
    let view = find(&host, of, backup)?;
    context.output.data(view, |view| format!("host      {}\n{}", of.host, view.sheet()))?;
    Ok(Exit::Done)
}
