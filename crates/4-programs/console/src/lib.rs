//! The web console: what people see of rollouts, hosts, updates and certificates. It only reads.
//!
//! Here: pages, login, live updates, and the trait for what it needs of the server.
//! Deliberately not here: any act on a rollout (command line and API), any door to the database, the listener (`server`).
//! Called by: server.
//!
//! Invariants:
//! 1. Without a session there is nothing but the login page; a token that was taken back ends its sessions at once.
//! 2. Text of people, hosts and packs reaches pages escaped; nothing is loaded from elsewhere, no script or style stands in a page.
//! 3. Static pages of packs are shown in a sandbox: no script, no cookie, no network.

mod live;
mod pages;
mod reply;
mod routes;
mod session;
mod source;
mod words;

pub use routes::router;
pub use source::{Answer, ConsoleSource, PackPage};
