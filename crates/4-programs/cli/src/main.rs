//! Entry point of `refit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    refit_cli::main()
}
