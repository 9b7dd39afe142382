//! Debian packages that a pack carries: installed without a network, and taken back to the very files that were there.
//!
//! ```text
//! ROOT/releases/BUILD/debs/*.deb           what the pack carries
//! STATE/packages/PRODUCT/BUILD/files/N     undo set: copies, made before the window, brought up to date in it
//! STATE/packages/PRODUCT/BUILD/undo.json   what they are copies of; sealed and durable before dpkg begins
//! ```

mod apt;
mod undo;

pub(crate) use apt::{Apt, Chosen, lock_is_free, version_of};
pub(crate) use undo::{POLICY, UndoSet, sync_system};

use crate::{context::Context, error::StepError};
use refit_packs::runbook::{Packages, Runbook, StepKind};
use std::path::PathBuf;

/// The terms of a runbook that installs packages.
pub(crate) fn terms(runbook: &Runbook) -> Option<&Packages> {
    runbook.steps.iter().find_map(|step| match &step.kind {
        StepKind::InstallPackages(terms) => Some(terms),
        _ => None,
    })
}

/// Saves, while everything still runs, what the packages will change: the window only copies what changed since.
pub(crate) fn save_ahead(context: &Context<'_>, terms: &Packages) -> Result<String, StepError> {
    let apt = Apt::of(context, terms);
    let chosen = apt.choose()?;
    let set = UndoSet::of(context, context.to);
    set.save(&also(context, terms)?, &apt.files(&chosen)?)?;
    Ok(format!("; {chosen}; what they change is saved"))
}

/// What the runbook names beyond the usual.
pub(crate) fn also(context: &Context<'_>, terms: &Packages) -> Result<Vec<PathBuf>, StepError> {
    terms.also.iter().map(|path| Ok(PathBuf::from(context.text(path)?))).collect()
}
