//! Published packs, whole.

use refit_names::Digest;
use refit_packs::record::PackRecord;
use serde::{Deserialize, Serialize};

/// A published pack with all that it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackView {
    /// SHA-256 of the signed record.
    pub digest: Digest,
    /// What was signed.
    pub record: PackRecord,
}
