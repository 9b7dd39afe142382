//! The program `refit`: commands for people and scripts, the control server, the demo.
//!
//! Here: arguments, connection settings, one file per noun, printing, exit codes.
//! Deliberately not here: any rule about rollouts (`rollout`), any route (`client`), what the demo does (`demo`).
//! Called by: people, scripts, the demo and the lab.
//!
//! Invariants:
//! 1. Data goes to standard output, talk and progress to standard error; only `output` prints.
//! 2. Every way to end has one exit code of the list in `exit` (docs/cli.md).
//! 3. A secret is never an argument: it comes from a file or from the environment, and is never printed but once when it is made.

mod args;
mod commands;
mod context;
mod error;
mod exit;
mod output;
mod span;

pub use args::Args;
pub use error::CliError;
pub use exit::Exit;
pub use output::Output;

use clap::Parser as _;
use context::Context;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Reads the arguments, runs the command, tells how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return output::usage(&error).into(),
    };
    let output = Output::new(args.global.json);
    if let Err(error) = set_up(&args) {
        return output.error(&error).into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return output.error(&CliError::io("start", "the runtime", source)).into(),
    };
    let context = Context::new(args.global, output);
    let ended = runtime.block_on(commands::run(args.command, &context));
    // What still runs in the background (a blocked read of a closed connection) must not hold the program back.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => context.output.error(&error).into(),
    }
}

fn set_up(args: &Args) -> Result<(), CliError> {
    // Two providers may be linked in through dependencies; the choice is made once, here.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err(CliError::usage("a TLS provider was installed already"));
    }
    let default = if args.command.is_server() { "info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("REFIT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
