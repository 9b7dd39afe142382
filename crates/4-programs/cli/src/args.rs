//! The command line as clap sees it; each noun's own arguments are beside its code.

use crate::commands::{
    backup, demo, fleet, notify, pack, repo, risk, rollout, runbook, server, signoff, updates,
    user, window,
};
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

/// Upgrades the software of a fleet of servers: planned, tested, signed, with a way back.
#[derive(Debug, Parser)]
#[command(name = "refit", version, arg_required_else_help = true, after_help = AFTER)]
pub struct Args {
    /// What every command understands.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The noun.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 server not reachable, 6 finished with partial failure,
7 blocked by gate, policy, window or state, 8 changes pending, 9 verification failed, 124 timed out, 130 interrupted.

Examples:
  refit demo
  refit server --state /var/lib/refit --listen 127.0.0.1:7443
  refit rollout create spring --product ledger --target 1200
  refit rollout watch spring --json";

/// What every command understands. A flag wins over the environment, the environment over the default.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Global {
    /// Prints one JSON document instead of text; errors become JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Address of the control server [default: https://127.0.0.1:7443]
    #[arg(
        long,
        global = true,
        env = "REFIT_SERVER",
        value_name = "URL",
        help_heading = "Connection"
    )]
    pub(crate) server: Option<String>,
    /// File with the access token; else REFIT_TOKEN or REFIT_TOKEN_FILE
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the server's authority (PEM); without it the machine's own trust
    #[arg(long, global = true, env = "REFIT_CA", value_name = "FILE", help_heading = "Connection")]
    pub(crate) ca: Option<PathBuf>,
}

/// Nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the main job on this machine and checks itself
    Demo(demo::DemoArgs),
    /// Runs the control server
    Server(server::ServerArgs),
    /// People and their rights
    User(user::UserArgs),
    /// Hosts, sites, clusters, engineers: enrolment tokens, import, what is known of them
    Fleet(fleet::FleetArgs),
    /// How risky it is to change a host, why, and what is done about it
    Risk(risk::RiskArgs),
    /// Service packs: make, check, build, look at, compare, verify
    Pack(pack::PackArgs),
    /// Runbooks: check, print the schema
    Runbook(runbook::RunbookArgs),
    /// Repositories: make, publish, and the plain TUF client
    Repo(repo::RepoArgs),
    /// Which updates there are, and the path to them
    Updates(updates::UpdatesArgs),
    /// Who hears of new paths, withdrawn packs and failing checks
    Notify(notify::NotifyArgs),
    /// Campaigns, from plan to the last wave
    Rollout(rollout::RolloutArgs),
    /// Windows and freezes: when hosts may be changed, and when nothing may
    Window(window::WindowArgs),
    /// Backups of hosts: run, list, verify, restore, schedule
    Backup(backup::BackupArgs),
    /// Signatures and certificates
    Signoff(signoff::SignoffArgs),
}

impl Command {
    /// Whether it serves until it is told to stop, and therefore logs.
    pub(crate) const fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
