//! The difference between an old and a new file, as few bytes as possible, and the new file made from it again.
//!
//! Here: finding what of the old file the new one keeps ([`Matcher`]), coding what changed in it word by word ([`GroupWriter`],
//! [`GroupReader`]), and zstd with the old file as its prefix ([`patch`]). Decision 0013 says why and gives the format.
//! Deliberately not here: files, which old file belongs to which new one, digests: whoever calls compares the outcome with a digest.
//! Called by: forge (makes), content (applies).
//!
//! Invariants:
//! 1. Same input, same bytes.
//! 2. Whatever stands in a delta, reading it ends, stays inside the old bytes it was given and never gives more than was asked for.
//! 3. Memory is bounded by one piece ([`OLD_BYTES_MAX`], [`NEW_BYTES_MAX`]), never by a file or a pack.

mod error;
mod group;
mod matching;
mod model;
pub mod patch;
mod range;

pub use error::DeltaError;
pub use group::{GroupReader, GroupWriter};
pub use matching::{Matcher, Op};

/// Bytes of old content that one piece may refer to: what a host holds in memory while it applies.
pub const OLD_BYTES_MAX: usize = 16 << 20;
/// Bytes of new content in one piece; larger files are cut into several.
pub const NEW_BYTES_MAX: usize = 8 << 20;
