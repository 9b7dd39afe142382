//! The ledger, build 1200.

use std::process::ExitCode;

fn main() -> ExitCode {
    refit_example_ledger::main(&refit_example_ledger::BUILD_1200)
}
