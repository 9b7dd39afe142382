//! `install.switch`: exchanges the `current` link; undone by exchanging back, together with the unit.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError};
use refit_names::BuildId;

pub(super) struct InstallSwitch;

pub(super) fn expect(context: &Context<'_>, build: &BuildId) -> Result<(), StepError> {
    let found = context.layout.installed()?;
    if found.as_ref() == Some(build) {
        return Ok(());
    }
    let found = found.map_or_else(|| "none".to_owned(), |build| build.to_string());
    Err(StepError::WrongBuild { expected: build.clone(), found })
}

impl Deed for InstallSwitch {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let release = context.layout.release(context.to);
        if !release.is_dir() {
            return Err(StepError::NotStaged { path: release });
        }
        if context.layout.installed()?.as_ref() == Some(context.to) {
            // Made durable once more: a crash may have come before the folder was written.
            context.layout.point_at(context.to)?;
            return Ok(Precheck::AlreadyDone(format!("build {} is in place", context.to)));
        }
        expect(context, context.from)?;
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        context.layout.point_at(context.to)?;
        Ok(format!("from {} to {}", context.from, context.to))
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        expect(context, context.to)
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        context.layout.point_at(context.from)?;
        expect(context, context.from)?;
        // Also where no step migrates: the new release may have changed the data when it was started.
        let unit = context.restore_unit()?;
        Ok(Undo::Done(format!("build {} is in place; {unit}", context.from)))
    }
}
