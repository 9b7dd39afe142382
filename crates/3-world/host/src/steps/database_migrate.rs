//! `database.migrate`: changes the databases for the new build; undone by restoring the whole unit.

use super::{Deed, Precheck, Undo};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::Command;

pub(super) struct DatabaseMigrate<'a> {
    pub(super) run: &'a Command,
}

impl Deed for DatabaseMigrate<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let before = "a migration";
        let sealed = context.backup()?.ok_or(StepError::NoBackup { leg: context.leg, before })?;
        sealed.is_of(context.from)?;
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(last_lines(&context.succeed(self.run)?))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Done(context.restore_unit()?))
    }
}
