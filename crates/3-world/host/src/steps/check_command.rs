//! `check.command`: a command of the pack's author says that all is well.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::Command;

pub(super) struct CheckCommand<'a> {
    pub(super) run: &'a Command,
}

impl Deed for CheckCommand<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(last_lines(&context.run(self.run)?.succeed(context.limit())?))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
