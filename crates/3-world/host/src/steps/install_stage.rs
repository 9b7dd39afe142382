//! `install.stage`: lays the new release's tree beside the running one.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError, in_place, packages};
use refit_backup::sync_folder;
use std::{fs, path::PathBuf};

pub(super) struct InstallStage;

impl Deed for InstallStage {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        // Laying a tree over the one that runs would take the files away from under it.
        if context.layout.installed()?.as_ref() == Some(context.to) {
            let (expected, found) = (context.from.clone(), context.to.to_string());
            return Err(StepError::WrongBuild { expected, found });
        }
        Ok(Precheck::Ready)
    }

    /// A tree that is there already is of an earlier try or order, and scripts may have written into it: it only serves as a seed.
    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let (releases, into) = (context.layout.releases(), context.layout.release(context.to));
        fs::create_dir_all(&releases).map_err(StepError::io("make folder", &releases))?;
        let old = releases.join(format!("{}.replaced", context.to));
        if into.exists() {
            remove(&old)?;
            fs::rename(&into, &old).map_err(StepError::io("move away", &into))?;
        }
        let mut seeds = vec![];
        if let Some(running) = context.layout.installed()? {
            seeds.push(context.layout.release(&running));
        }
        // In a path of packs the release of the leg before is nearer than the one that runs.
        seeds.push(context.layout.release(context.from));
        seeds.push(old.clone());
        seeds.retain(|seed: &PathBuf| seed.is_dir());
        seeds.dedup();
        let note = context.releases.stage(context.leg, context.record, &seeds, &into);
        let mut note = note.map_err(|cause| StepError::Release { cause })?;
        remove(&old)?;
        sync_folder(&releases)?;
        if let Some(terms) = context.record.runbook.in_place() {
            note.push_str(&in_place::prepare(context, terms)?);
        }
        if let Some(terms) = packages::terms(&context.record.runbook) {
            note.push_str(&packages::save_ahead(context, terms)?);
        }
        Ok(note)
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        let path = context.layout.release(context.to);
        if path.is_dir() { Ok(()) } else { Err(StepError::NotStaged { path }) }
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Nothing { because: "a staged release lies beside the running one".to_owned() })
    }
}

fn remove(path: &std::path::Path) -> Result<(), StepError> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(StepError::io("remove", path))?;
    }
    Ok(())
}
