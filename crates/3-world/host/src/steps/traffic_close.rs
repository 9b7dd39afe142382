//! `traffic.close`: asks the product to take no more writes; undone by its `open` command.

use super::{Deed, Precheck, Undo};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::Command;

pub(super) struct TrafficClose<'a> {
    pub(super) close: &'a Command,
    pub(super) open: &'a Command,
}

impl Deed for TrafficClose<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(last_lines(&context.succeed(self.close)?))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Done(last_lines(&context.succeed(self.open)?)))
    }
}
