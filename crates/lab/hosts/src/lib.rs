//! The lab of real Debian hosts: machines booted with systemd, a released third-party server with a database, upgraded by Refit.
//!
//! Here: image, network and machines; buildbot masters as their packages leave them; the walk with the real programs; checks by the lab's own means.
//! Deliberately not here: anything that Refit needs to run. The lab drives `refit` and `refit-agent` from outside and believes
//! only what psql, HTTP and file digests say.
//! Called by: `./dev lab`, `./dev test`.
//!
//! Invariants:
//! 1. All that the lab made is taken away at the end, also after a failure and after ctrl-c; by its own id, never by a broad name.
//! 2. The hosts see only each other and the control server: their network leads nowhere else.
//! 3. What is slow to make (image, wheels) is kept under a key of what it was made from.

mod arguments;
mod certificates;
mod checks;
mod control;
mod fleet;
mod image;
mod lab;
mod machine;
mod masters;
mod network;
mod process;
mod talk;
mod tally;
mod walk;
mod wheels;

pub use arguments::{Arguments, execute};
