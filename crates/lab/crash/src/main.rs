//! The program `refit-crash`.

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    refit_crash::execute(refit_crash::Arguments::parse())
}
