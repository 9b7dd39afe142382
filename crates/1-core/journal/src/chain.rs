//! The hash chain: an entry that was altered, left out or put in is seen.

use crate::{Entry, HashError};
use refit_names::Digest;

/// Where a chain of entries does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ChainBroken {
    /// An entry is missing or stands twice.
    #[error("journal entry {found} stands where entry {expected} is expected")]
    Gap {
        /// The number that ought to stand here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// An entry does not follow the one before it.
    #[error("journal entry {seq} names {found} as its predecessor, expected {expected}")]
    Predecessor {
        /// Which entry.
        seq: u64,
        /// The hash of the entry before.
        expected: Digest,
        /// What the entry says.
        found: Digest,
    },
    /// An entry was altered.
    #[error("journal entry {seq} has the hash {found}, its content gives {expected}")]
    Altered {
        /// Which entry.
        seq: u64,
        /// The hash of what it says.
        expected: Digest,
        /// The hash that it carries.
        found: Digest,
    },
    /// An entry cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Checks a host's whole journal, from its first entry.
///
/// # Errors
/// [`ChainBroken`] at the first entry that does not hold.
pub fn verify_chain(entries: &[Entry]) -> Result<(), ChainBroken> {
    verify_continuation(None, entries)
}

/// Checks that `entries` follow `last`, number and hash of the newest entry that is known already.
///
/// # Errors
/// [`ChainBroken`] at the first entry that does not hold.
pub fn verify_continuation(
    last: Option<(u64, Digest)>,
    entries: &[Entry],
) -> Result<(), ChainBroken> {
    let (mut seq, mut prev) = last.unwrap_or((0, Digest::ZERO));
    for entry in entries {
        if entry.seq != seq + 1 {
            return Err(ChainBroken::Gap { expected: seq + 1, found: entry.seq });
        }
        if entry.prev != prev {
            let (expected, found) = (prev, entry.prev);
            return Err(ChainBroken::Predecessor { seq: entry.seq, expected, found });
        }
        let expected = entry.computed_hash()?;
        if entry.hash != expected {
            return Err(ChainBroken::Altered { seq: entry.seq, expected, found: entry.hash });
        }
        (seq, prev) = (entry.seq, entry.hash);
    }
    Ok(())
}
