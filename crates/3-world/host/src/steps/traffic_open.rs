//! `traffic.open`: lets clients in again. From its intent on there is no way back.

use super::{Deed, Precheck, Undo};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::Command;

pub(super) struct TrafficOpen<'a> {
    pub(super) open: &'a Command,
}

impl Deed for TrafficOpen<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(last_lines(&context.succeed(self.open)?))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Nothing {
            because: "a write that a client was told is stored is never lost".to_owned(),
        })
    }
}
