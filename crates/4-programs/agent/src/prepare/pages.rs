//! Sub-stage 2: the packs' static pages, where they can be looked at without the network.

use super::{Preparation, StageError, blocking};
use refit_content::{ContentError, Realise, assemble, verify_tree};
use refit_journal::Cause;
use refit_packs::record::PackRecord;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

impl Preparation<'_> {
    pub(super) async fn deploy_pages(&mut self) -> Result<String, StageError> {
        let folder = self.agent.state.join("pages").join(self.order.product.as_str());
        let mut notes = Vec::new();
        for record in self.agent.orders.records(self.order)? {
            let build = record.manifest.to.clone();
            if record.web.is_empty() {
                notes.push(format!("build {build} has no pages"));
                continue;
            }
            let (cache, into) = (self.agent.chunks(), folder.join(build.as_str()));
            let count = record.web.len();
            blocking(move || deploy(&record, &cache, &into)).await?.map_err(gone)?;
            notes.push(format!("build {build}: {count} entries"));
        }
        Ok(notes.join(", "))
    }
}

fn deploy(record: &PackRecord, cache: &Path, into: &Path) -> Result<(), ContentError> {
    if into.exists() && verify_tree(&record.web, into).is_err() {
        // Pages are only a copy of what is signed; a damaged one is replaced.
        let failed = |source| ContentError::Io { action: "remove", path: into.to_owned(), source };
        remove(into).map_err(failed)?;
    }
    let seeds: [PathBuf; 0] = [];
    assemble(&Realise {
        entries: &record.web,
        bundle: &record.bundle,
        seeds: &seeds,
        into,
        cache,
        progress: &|_| (),
    })
}

fn remove(folder: &Path) -> io::Result<()> {
    fs::remove_dir_all(folder)
}

fn gone(error: ContentError) -> StageError {
    StageError::ContentGone(Cause::of(&error))
}
