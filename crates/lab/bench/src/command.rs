//! Which benchmark to run: by name, or all.

use crate::{downtime, peers, row, sync};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
struct Args {
    /// `downtime` or `sync`; all when absent.
    name: Option<String>,
    /// Print one JSON array of rows.
    #[arg(long)]
    json: bool,
}

#[derive(Parser)]
#[command(name = "refit-bench")]
struct Peer {
    #[command(subcommand)]
    command: PeerCommand,
}

#[derive(Subcommand)]
enum PeerCommand {
    /// Used by the benchmark itself: the floor for held connections.
    RawTlsServer { port: u16, certificate: PathBuf },
}

/// Reads the arguments, runs, prints.
pub async fn run() -> anyhow::Result<()> {
    if let Ok(Peer { command: PeerCommand::RawTlsServer { port, certificate } }) = Peer::try_parse()
    {
        return peers::raw_tls_server(port, &certificate).await;
    }
    let args = Args::parse();
    let rows = match args.name.as_deref() {
        None => [downtime::run().await?, sync::run().await?].concat(),
        Some("downtime") => downtime::run().await?,
        Some("sync") => sync::run().await?,
        Some(other) => {
            anyhow::bail!("there is no benchmark `{other}`, expected `downtime` or `sync`")
        }
    };
    row::print(&rows, args.json)
}
