//! Sealed backups in a repository of restic's format: encrypted, deduplicated, and readable when Refit is long gone.
//!
//! Here: keeping a sealed backup, finding it again, reading it back, bringing it back as a sealed backup, forgetting.
//! Deliberately not here: what belongs together and how it is saved and restored (`backup`), when that happens (`agent`).
//! Called by: agent.
//!
//! Invariants:
//! 1. Opening never creates: a target that is not mounted is an error, never an empty repository on the wrong disk.
//! 2. A snapshot that is listed was compared with its manifest after it was written.
//! 3. What comes back is sealed by `backup` only when every byte has the hash that its manifest says.
//! 4. One process writes to a repository at a time: the library takes no lock, so this crate does.
//! 5. What the target said stands in the error, with a code of its own: no bucket, wrong key, no room, not reached.

mod error;
mod keep;
mod lock;
mod meter;
mod read;
mod retention;
mod s3;
mod target;
mod vault;

pub use error::VaultError;
pub use keep::Kept;
pub use retention::Forgotten;
pub use s3::{Fault, S3Place};
pub use target::Target;
pub use vault::{Snapshot, Vault, VaultPlace};
