//! The command line.

use crate::{
    agent_release,
    backups::{self, command::BackupArguments},
    content::{self, ContentArguments},
    control, enroll,
    error::AgentError,
    preflight::{self, PreflightArguments},
    rehearse::{self, RunbookTestArguments},
    removal::{self, AdoptArguments, UninstallArguments},
    run::{self, RunOptions},
    status,
};
use clap::{
    Args, Parser, Subcommand,
    builder::{PathBufValueParser, TypedValueParser},
};
use refit_ambient::Ambient;
use refit_names::{Coded, HostName, chain};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Lets this host be upgraded by a Refit server.
#[derive(Debug, Parser)]
#[command(name = "refit-agent", version)]
pub struct Arguments {
    /// Print one JSON object instead of text; errors and logs become JSON on standard error.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// What the agent does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let this host into a server's fleet, once.
    Enroll(EnrollArguments),
    /// Stay connected and carry out orders.
    Run(RunArguments),
    /// Say what the state folder holds.
    Status(StatusArguments),
    /// Take, list, prove and bring back backups, also without the server.
    Backup(BackupArguments),
    /// Show and clean what was fetched.
    Content(ContentArguments),
    /// Try a runbook on this host: what each step would do and whether it could; changes nothing.
    RunbookTest(RunbookTestArguments),
    /// Measure whether a pack would work on this host, without an order; changes nothing. Exit code 7 when it would not.
    Preflight(PreflightArguments),
    /// Take over a build that somebody else installed, so that packs can be installed in its place.
    Adopt(AdoptArguments),
    /// Remove the last pack of a product: the build before it runs again. Stop the agent first.
    Uninstall(UninstallArguments),
}

/// The folder that all commands share.
#[derive(Debug, Args)]
pub(crate) struct StateArgument {
    /// Folder for identity, journal, orders and content.
    #[arg(long, env = "REFIT_STATE", default_value = "/var/lib/refit-agent", value_parser = absolute(), global = true)]
    pub(crate) state: PathBuf,
}

/// Commands run in other folders, and what is written down is found again from any.
fn absolute() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(std::path::absolute)
}

/// Arguments of `enroll`.
#[derive(Debug, Args)]
pub struct EnrollArguments {
    #[command(flatten)]
    state: StateArgument,
    /// Address of the server, `https://HOST:PORT`.
    #[arg(long, env = "REFIT_SERVER")]
    server: String,
    /// The one-time token.
    #[arg(
        long,
        env = "REFIT_ENROL_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file",
        required_unless_present = "token_file"
    )]
    token: Option<String>,
    /// File with the one-time token.
    #[arg(long, env = "REFIT_ENROL_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Name of this host in the fleet.
    #[arg(long)]
    host: HostName,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    state: StateArgument,
    /// The products that this agent looks after.
    #[arg(long, env = "REFIT_AGENT_CONFIG", default_value = "/etc/refit/agent.toml")]
    config: PathBuf,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    state: StateArgument,
}

/// Does what the command line says and prints failures with their code.
#[must_use]
pub fn execute(arguments: Arguments) -> ExitCode {
    let json = arguments.json;
    logging(json);
    match dispatch(arguments.command, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (code, text, exit) = (error.code(), chain(&error), error.exit_code());
            let told = if json {
                serde_json::json!({ "error": { "code": code, "text": text, "exit": exit } })
                    .to_string()
            } else {
                format!("error[{code}]: {text}")
            };
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(io::stderr(), "{told}");
            ExitCode::from(exit)
        }
    }
}

fn dispatch(command: Command, json: bool) -> Result<(), AgentError> {
    match command {
        Command::Enroll(EnrollArguments { state, server, token, token_file, host }) => {
            let token = enroll::token(token, token_file.as_deref())?;
            let enrolled = enroll::enroll(&server, &token, &host, &state.state);
            let note = runtime()?.block_on(enrolled)?;
            if json { print(&serde_json::json!(note).to_string()) } else { Ok(()) }
        }
        Command::Run(RunArguments { state, config }) => {
            agent_release::hand_over(&state.state);
            let options = RunOptions { state: state.state, config };
            let runtime = runtime()?;
            let end = runtime.block_on(run::run(options, Ambient::system(), control::over_tls));
            // A thread that is held before its next step must not hold the process.
            runtime.shutdown_background();
            end
        }
        Command::Backup(arguments) => {
            print(&backups::command::run(arguments, json, Ambient::system().clock.as_ref())?)
        }
        Command::RunbookTest(arguments) => {
            let test = rehearse::at_command_line(&arguments, Ambient::system().clock)?;
            let text = if json { serde_json::json!(test).to_string() } else { test.to_string() };
            print(text.trim_end())?;
            Ok(rehearse::verdict(&test)?)
        }
        Command::Preflight(arguments) => {
            let found = preflight::run(arguments, Ambient::system().clock);
            let found = runtime()?.block_on(found)?;
            print(&if json {
                serde_json::json!(found).to_string()
            } else {
                preflight::text(&found)
            })?;
            Ok(preflight::verdict(&found)?)
        }
        Command::Adopt(arguments) => print(&removal::adopt(arguments, json)?),
        Command::Uninstall(arguments) => {
            print(&removal::uninstall(arguments, json, Ambient::system().clock)?)
        }
        Command::Content(arguments) => print(&content::run(&arguments, json)?),
        Command::Status(StatusArguments { state }) => {
            let status = status::status(&state.state)?;
            print(&if json { status.json() } else { status.to_string() })
        }
    }
}

fn print(text: &str) -> Result<(), AgentError> {
    writeln!(io::stdout(), "{text}").map_err(AgentError::io("write", "standard output"))
}

/// Two threads: one for the network, one for whatever it waits on. Blocking work has threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, AgentError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(AgentError::io("start", "the runtime"))
}

fn logging(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("REFIT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false);
    // A second call, as tests make it, changes nothing.
    let _ = if json { logs.json().try_init() } else { logs.try_init() };
}
