//! Release trees from what prepare fetched, without the network.

use refit_content::{Realise, assemble};
use refit_host::engine::StageRelease;
use refit_journal::Cause;
use refit_packs::record::PackRecord;
use std::path::{Path, PathBuf};

/// Builds trees from the running release and the fetched chunks.
pub(crate) struct ContentReleases {
    /// Chunks that arrived.
    pub(crate) cache: PathBuf,
    /// Untouched trees of earlier legs: scripts may have changed those that the engine staged.
    pub(crate) seed_trees: PathBuf,
}

impl StageRelease for ContentReleases {
    fn stage(
        &self,
        leg: u32,
        record: &PackRecord,
        seeds: &[PathBuf],
        into: &Path,
    ) -> Result<String, Cause> {
        let mut all: Vec<PathBuf> =
            (0..leg).rev().map(|leg| self.seed_trees.join(leg.to_string())).collect();
        all.extend_from_slice(seeds);
        let realise = Realise {
            entries: &record.payload,
            bundle: &record.bundle,
            seeds: &all,
            into,
            cache: &self.cache,
            progress: &|_| (),
        };
        assemble(&realise).map_err(|error| Cause::of(&error))?;
        Ok(format!(
            "build {}: {} entries, every file verified",
            record.manifest.to,
            record.payload.len()
        ))
    }
}
