//! `evidence.command`: keeps what a command says.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::Command;
use std::fs;

pub(super) struct EvidenceCommand<'a> {
    pub(super) run: &'a Command,
}

impl Deed for EvidenceCommand<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let output = context.succeed(self.run)?;
        let file = context.evidence()?.join("output.txt");
        fs::write(&file, &output).map_err(StepError::io("write", &file))?;
        Ok(last_lines(&output))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
