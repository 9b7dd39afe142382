//! Which benchmark to run: by name, or all.

use crate::{delivery, downtime, host, peers, planner, rehearsal, row, sync};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
struct Args {
    /// `delivery`, `downtime`, `host`, `planner`, `rehearsal`, `steps` (the last case of `host`) or `sync`; all when absent.
    name: Option<String>,
    /// Print one JSON array of rows.
    #[arg(long)]
    json: bool,
    /// What `delivery` delivers: `near`, `far` (neighbouring or distant kernel packages of the mirror), or two folders, OLD:NEW.
    #[arg(long, default_value = "near")]
    pair: String,
    /// Hosts of `host`'s six steps.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    hosts: u32,
    /// As many of them with ansible over ssh: a minute for every six on two cores.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    ssh_hosts: u32,
    /// `delivery` with a pack of 4 GiB instead: peaks of memory. Needs 10 GB of disk.
    #[arg(long)]
    big: bool,
    #[command(flatten)]
    planner: planner::Which,
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
    /// Used by the benchmark itself: one plan in a process of its own.
    PlanOnce {
        fleet: String,
        hosts: usize,
        seed: u64,
        #[arg(long)]
        naive: bool,
    },
    /// Used by `delivery`: the host's side.
    DeliveryHost { base: String, root: PathBuf, old: PathBuf, state: PathBuf },
}

/// Reads the arguments, runs, prints.
pub async fn run() -> anyhow::Result<()> {
    match Peer::try_parse() {
        Ok(Peer { command: PeerCommand::RawTlsServer { port, certificate } }) => {
            return peers::raw_tls_server(port, &certificate).await;
        }
        Ok(Peer { command: PeerCommand::PlanOnce { fleet, hosts, seed, naive } }) => {
            return planner::once(&fleet, hosts, seed, naive);
        }
        Ok(Peer { command: PeerCommand::DeliveryHost { base, root, old, state } }) => {
            return delivery::host(&base, &root, &old, &state).await;
        }
        Err(_) => {}
    }
    let args = Args::parse();
    let size = host::Size { hosts: args.hosts, ssh_hosts: args.ssh_hosts };
    let rows = match args.name.as_deref() {
        None => [
            delivery::run(&args.pair).await?,
            downtime::run().await?,
            host::run(size).await?,
            planner::run(&args.planner)?,
            rehearsal::run()?,
            sync::run().await?,
        ]
        .concat(),
        Some("delivery") if args.big => delivery::big(&args.pair).await?,
        Some("delivery") => delivery::run(&args.pair).await?,
        Some("downtime") => downtime::run().await?,
        Some("host") => host::run(size).await?,
        Some("planner") => planner::run(&args.planner)?,
        Some("rehearsal") => rehearsal::run()?,
        Some("steps") => host::steps(size)?,
        Some("sync") => sync::run().await?,
        Some(other) => {
            anyhow::bail!(
                "there is no benchmark `{other}`, expected `delivery`, `downtime`, `host`, `planner`, `rehearsal`, `steps` or `sync`"
            )
        }
    };
    row::print(&rows, args.json)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn each_option_has_a_name_of_its_own() {
        super::Args::command().debug_assert();
        super::Peer::command().debug_assert();
    }
}
