//! The host agent: one `sync` call up and down, five sub-stages of prepare, then the order from the host's own disk.
//!
//! Here: wiring of client, repository, content and host engine; what is refused; what survives a restart.
//! Deliberately not here: what a step does (`host`), what a crash means (`journal`), who may be upgraded when (the server).
//! Called by: systemd, the demo, people (`enroll`, `status`).
//!
//! ```text
//! sync loop ── desired ──▶ worker: admit → prepare (five sub-stages) → wait for `deploy` → engine thread
//!     ▲                       │
//!     └────── standing ◀──────┘        each side only reads the other's newest word; neither waits for the other
//! ```
//!
//! Invariants:
//! 1. From `DeployStarted` on, an order is carried out to a whole end without the server, after any kill.
//! 2. Nothing is installed that the pinned root did not sign; a pack's record has the digest that the order pins.
//! 3. A finished sub-stage is recorded before the next one begins, and is not repeated.
//! 4. An order that is refused changes nothing on the host.

mod admission;
mod agent_release;
mod arguments;
mod backups;
mod board;
mod config;
mod content;
mod control;
pub mod delivery;
mod enroll;
mod error;
mod files;
mod notify;
mod orders;
mod people;
mod preflight;
mod prepare;
mod quarantine;
mod rehearse;
mod releases;
mod removal;
mod run;
mod status;
mod stop;
mod sync;
mod withdrawn;
mod worker;

pub use admission::{Admission, Refusal, admit};
pub use arguments::{Arguments, Command, execute};
pub use backups::{BackupConfig, BackupsError, S3Config};
pub use config::{Config, ConfigError};
pub use control::{Answer, Control, over_tls};
pub use enroll::enroll;
pub use error::AgentError;
pub use orders::OrderStoreError;
pub use run::{RunOptions, run};
pub use status::{Status, status};
