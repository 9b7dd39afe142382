//! `refit server`: the control server, until it is told to stop.

use crate::{CliError, Exit, context::Context, span};
use clap::Args;
use refit_server::{RepositoryOptions, ServerOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Arguments of `refit server`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit server --state /var/lib/refit --listen 127.0.0.1:7443 --repository-metadata https://packs.example/metadata/ \\\n    --repository-targets https://packs.example/targets/ --repository-root root.json"
)]
pub(crate) struct ServerArgs {
    /// Folder for everything that must outlive a restart
    #[arg(long, env = "REFIT_STATE")]
    state: PathBuf,
    /// Address for agents and the API, with TLS
    #[arg(long, default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// Names and addresses under which it is reached, for its certificate; loopback always
    #[arg(long = "name")]
    names: Vec<String>,
    /// Address for the console without TLS; loopback only
    #[arg(long)]
    console: Option<SocketAddr>,
    /// Database, `sqlite://FILE` or `postgres://…` [default: SQLite in the state folder]
    #[arg(long, env = "REFIT_DATABASE")]
    database: Option<String>,
    /// Where the repository's metadata are
    #[arg(long, requires_all = ["repository_targets", "repository_root"])]
    repository_metadata: Option<Url>,
    /// Where its targets are
    #[arg(long, requires = "repository_metadata")]
    repository_targets: Option<Url>,
    /// The root that is trusted, as a file
    #[arg(long, requires = "repository_metadata")]
    repository_root: Option<PathBuf>,
    /// How often the repository is asked for news
    #[arg(long, alias = "refresh-every", default_value = "15m", value_name = "TIME", value_parser = span::parse)]
    check_every: Duration,
    /// What chance adds to it at most, so that many servers do not ask at the same moment
    #[arg(long, default_value = "90s", value_name = "TIME", value_parser = span::parse)]
    check_jitter: Duration,
}

/// Runs it.
pub(crate) async fn run(args: ServerArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = match (args.repository_metadata, args.repository_targets, args.repository_root)
    {
        (Some(metadata), Some(targets), Some(root)) => {
            Some(RepositoryOptions { metadata, targets, root })
        }
        _ => None,
    };
    let options = ServerOptions {
        state: args.state,
        listen: args.listen,
        names: args.names,
        console: args.console,
        database: args.database,
        repository,
        refresh_every: args.check_every,
        check_jitter: args.check_jitter,
    };
    let server = refit_server::start(options, context.ambient.clone()).await?;
    context.output.say(&format!("serving agents and the API at {}", server.url));
    if let Some(console) = &server.console_url {
        context.output.say(&format!("console at {console}"));
    }
    context.output.say(&format!(
        "authority {}, administrator's token {}",
        server.ca_path.display(),
        server.admin_token_path.display()
    ));
    stop_signal().await?;
    context.output.say("stopping");
    server.shutdown().await;
    Ok(Exit::Done)
}

/// Ctrl-C or SIGTERM.
async fn stop_signal() -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())
        .map_err(|error| CliError::io("wait for", "signals", error))?;
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
