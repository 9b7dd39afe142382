//! `test`: a client test; those of one name before and after are compared in the evidence.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError};
use refit_names::StepId;
use refit_packs::runbook::Probe;

pub(super) struct Test<'a> {
    pub(super) name: &'a StepId,
    pub(super) probe: &'a Probe,
}

impl Deed for Test<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(format!("{}: {}", self.name, context.probe(self.probe)?))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
