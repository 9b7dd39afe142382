//! The program `refit-lab`.

use clap::Parser as _;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    refit_lab_hosts::execute(refit_lab_hosts::Arguments::parse()).await
}
