//! Packs and repositories: the only room that holds private keys.
//!
//! Here: a folder becomes a pack, a pack a single file with a signature, packs a signed (TUF) repository that any static web server
//! or folder can offer.
//! Deliberately not here: reading a repository as a client (`refit-repository`), putting trees on hosts (`refit-content`), what a
//! manifest may say (`refit-packs`).
//! Called by: the command line (`refit pack`, `refit repo`), the demo, the lab.
//!
//! Invariants:
//! 1. Same folder, same bytes: order, modes and compression depend on content only.
//! 2. Nothing enters a tree that a host must not get: no link out of it, no device, no name that another file system would merge.
//! 3. What is published under a name never changes; a repository's change becomes visible at once, with its timestamp.
//! 4. Private keys are files that only their owner can read, and are never printed.

mod delta;
pub mod error;
pub mod import;
pub mod key;
pub mod pack;
pub mod pack_file;
pub mod repo;
pub mod survey;
mod tree;

pub use delta::OldBuild;
pub use error::ForgeError;
pub use pack::BuiltPack;
pub use pack_file::PackFile;
