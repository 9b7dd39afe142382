//! The program `refit-agent`.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    refit_agent::execute(refit_agent::Arguments::parse())
}
