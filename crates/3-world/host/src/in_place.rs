//! A build that lives in one folder beside configuration and data: exchanged file by file, with an undo set.
//!
//! ```text
//! ROOT/releases/BUILD, ROOT/current        as side by side: what a build looks like untouched, and which one is installed; the link
//!                                          is exchanged last, when every file is in its place
//! STATE/in-place/PRODUCT/BUILD.json        which files a build owns, with digests
//! INTO/.refit/PRODUCT/BUILD/new/…          files of BUILD that differ from the build before: renamed into place in the window
//! INTO/.refit/PRODUCT/BUILD/plan.json      what is exchanged; durable before the first change
//! INTO/.refit/PRODUCT/BUILD/old/…          undo set: the replaced files themselves, by hard link, durable before the first change
//! INTO/.refit/PRODUCT/BUILD/left/…         what a build that was taken back had written into folders of its own
//! ```

mod adopt;
mod exchange;
mod listing;
mod plan;
mod prepare;
mod remove;

pub use adopt::Adoption;
pub use listing::{Listing, Node};
pub(crate) use listing::{lossless, write_durable};

use crate::{context::Context, error::StepError};
pub(crate) use exchange::{backward, forward, is_as_planned};
pub(crate) use plan::{Plan, Rules, make, seen};
pub(crate) use prepare::{SeenBefore, prepare};
use refit_names::{BuildId, ProductName};
use refit_packs::runbook::{InPlace, Runbook};
pub(crate) use remove::{plan_of, put_again, take_out};
use std::path::{Path, PathBuf};

/// How the product of a runbook lives in a folder of its own, whether the runbook puts a build there or takes one out.
pub(crate) fn place_terms(runbook: &Runbook) -> Option<&InPlace> {
    runbook.in_place().or_else(|| runbook.removal()?.in_place.as_ref())
}

/// The folder inside the product's own where everything of Refit lies.
pub(crate) const OWN: &str = ".refit";

/// The places of one exchange.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The folder that the product lives in, resolved.
    pub(crate) into: PathBuf,
    work: PathBuf,
}

impl Places {
    /// Of the exchange that leads to `build`.
    pub(crate) fn new(
        into: &Path,
        product: &ProductName,
        build: &BuildId,
    ) -> Result<Self, StepError> {
        let into = into.canonicalize().map_err(StepError::io("find", into))?;
        let work = into.join(OWN).join(product.as_str()).join(build.as_str());
        Ok(Self { into, work })
    }

    /// Of the leg's exchange.
    pub(crate) fn of(context: &Context<'_>, terms: &InPlace) -> Result<Self, StepError> {
        let into = context.layout.root().join(context.text(&terms.into)?);
        Self::new(&into, &context.product.name, context.to)
    }

    pub(crate) fn work(&self) -> &Path {
        &self.work
    }
    pub(crate) fn new_files(&self) -> PathBuf {
        self.work.join("new")
    }
    pub(crate) fn old_files(&self) -> PathBuf {
        self.work.join("old")
    }
    pub(crate) fn left(&self) -> PathBuf {
        self.work.join("left")
    }
    pub(crate) fn plan(&self) -> PathBuf {
        self.work.join("plan.json")
    }
    pub(crate) fn removing(&self) -> PathBuf {
        self.work.join("removing.json")
    }
    pub(crate) fn staged_mark(&self) -> PathBuf {
        self.work.join("staged")
    }
}

/// Compares what lies in the product's folder with what the build owns, configuration aside.
///
/// # Errors
/// [`StepError::LocalChanges`] names path, expected and found.
pub(crate) fn look(context: &Context<'_>, build: &BuildId) -> Result<String, StepError> {
    let Some(terms) = context.record.runbook.in_place() else { return Ok(String::new()) };
    let into = context.layout.root().join(context.text(&terms.into)?);
    let listing = Listing::load(context.state, &context.product.name, build)?;
    let seen = SeenBefore::load(context.state, &context.product.name);
    let mut faults = vec![];
    for (path, node) in listing.entries.iter().filter(|(path, _)| !plan::is_config(terms, path)) {
        plan::compare(&into.join(path), path, node, &seen, &mut faults)?;
    }
    plan::refuse(faults)?;
    Ok(format!(", {} entries in {} are its own", listing.entries.len(), into.display()))
}
