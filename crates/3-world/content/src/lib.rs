//! Content-addressed bytes: what a host must fetch, resumable and verified, and the trees that are built from it.
//!
//! Here: cutting by content, the chunks that some local file already has, files made from older ones and deltas, ranged fetches of the
//! rest, building and comparing trees.
//! Deliberately not here: whose word to take for the list of entries (`refit-repository` proves the record), backups, services.
//! Called by: agent (prepare: fetch and assemble; preflight: verify), forge (the same cuts).
//!
//! Invariants:
//! 1. No byte reaches a tree before its digest was compared; a tree appears whole, by one rename, or not at all.
//! 2. What arrived is kept, also the beginning of a chunk: neither a kill nor a cut connection makes it travel again.
//! 3. Nothing is written outside of the final folder's `.partial` twin and the cache.
//! 4. Memory holds the index of a pack and one chunk or one piece of a delta, never a file.
//! 5. A damaged delta or another old file costs bytes, never correctness: the file comes as chunks.

pub mod chunking;

mod apply;
mod assemble;
mod bring;
mod cache;
mod compare;
mod error;
mod fetch;
mod origin;
mod pace;
mod ranges;
mod seeds;
mod tail;
mod tree;

pub use assemble::assemble;
pub use cache::discard;
pub use error::ContentError;
pub use fetch::{FetchOptions, FetchReport, Fetched, Patience, fetch, fetch_with};
pub use origin::Origin;
pub use pace::Pace;
pub use tree::verify_tree;

use refit_packs::record::{Bundle, TreeEntry};
use std::path::{Path, PathBuf};

/// One tree that is to exist on this host.
pub struct Realise<'a> {
    /// All that it has, parents first.
    pub entries: &'a [TreeEntry],
    /// Where its chunks are.
    pub bundle: &'a Bundle,
    /// Folders whose files may hold chunks already: the running release.
    pub seeds: &'a [PathBuf],
    /// The final folder.
    pub into: &'a Path,
    /// A folder for chunks that arrived; survives kill and restart.
    pub cache: &'a Path,
    /// Told after each chunk.
    pub progress: &'a (dyn Fn(Fetched) + Send + Sync),
}
