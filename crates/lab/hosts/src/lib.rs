//! The lab of real Debian hosts: machines booted with systemd and released third-party software, changed by Refit with the runbooks that it ships.
//!
//! Here: images, network and machines; a scenario per runbook (`web`, `file_print`, `pair`, `operating_system`): its product as packages
//! leave it, its packs, and checks by the lab's own means; the walk with the real programs.
//! Deliberately not here: anything that Refit needs to run. The lab drives `refit` and `refit-agent` from outside and believes
//! only what psql, smbclient, lpstat, dpkg, HTTP and file digests say.
//! Called by: `./dev lab`, `./dev test`.
//!
//! Invariants:
//! 1. All that the lab made is taken away at the end, also after a failure and after ctrl-c; by its own id, never by a broad name.
//! 2. The hosts see only each other and the control server: their network leads nowhere else.
//! 3. What is slow to make (images, wheels, packages) is kept under a key of what it was made from.

mod arguments;
mod certificates;
mod checks;
mod control;
mod debs;
mod file_print;
mod fleet;
mod image;
mod lab;
mod machine;
mod masters;
mod network;
mod operating_system;
mod packages;
mod pair;
mod process;
mod scenario;
mod snapshot;
mod talk;
mod tally;
mod walk;
mod web;
mod wheels;

pub use arguments::{Arguments, execute};
