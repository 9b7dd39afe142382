//! Release trees from what prepare fetched, without the network.

use refit_content::{Realise, assemble};
use refit_host::{engine::StageRelease, parts};
use refit_journal::Cause;
use refit_names::PartName;
use refit_packs::record::PackRecord;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Builds trees from the running release and the fetched chunks.
pub(crate) struct ContentReleases {
    /// Chunks that arrived.
    pub(crate) cache: PathBuf,
    /// Untouched trees of earlier legs: scripts may have changed those that the engine staged.
    pub(crate) seed_trees: PathBuf,
    /// The agent's own folder, which remembers what a build was made with.
    pub(crate) state: PathBuf,
    /// Optional parts that the order wants.
    pub(crate) parts: BTreeSet<PartName>,
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
        let entries = record.entries_for(&self.parts);
        let realise = Realise {
            entries: &entries,
            bundle: &record.bundle,
            seeds: &all,
            into,
            cache: &self.cache,
            progress: &|_| (),
        };
        assemble(&realise).map_err(|error| Cause::of(&error))?;
        let (manifest, mut here) = (&record.manifest, self.parts.clone());
        here.retain(|part| manifest.parts.contains_key(part));
        parts::note(&self.state, &manifest.product, &manifest.to, &here)
            .map_err(|error| Cause::of(&error))?;
        let without = match record.payload.len() - entries.len() {
            0 => String::new(),
            count => format!(", {count} of optional parts left out"),
        };
        Ok(format!(
            "build {}: {} entries, every file verified{without}",
            manifest.to,
            entries.len()
        ))
    }
}
