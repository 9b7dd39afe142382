//! `backup.verify`: reads the unit back before anything depends on it.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError};

pub(super) struct BackupVerify;

impl Deed for BackupVerify {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let before = "it can be read back";
        let sealed = context.backup()?.ok_or(StepError::NoBackup { leg: context.leg, before })?;
        sealed.is_of(context.from)?;
        let depth = refit_backup::Depth::Fresh;
        let read = refit_backup::verify_told(&sealed, depth, context.limit(), context.meter)?;
        Ok(format!("{read} read back and equal to the manifest {}", sealed.digest))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
