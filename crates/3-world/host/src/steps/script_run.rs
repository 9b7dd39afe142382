//! `script.run`: a command of the pack's author.

use super::{Deed, Precheck, Undo};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::{Command, Phase};

pub(super) struct ScriptRun<'a> {
    pub(super) run: &'a Command,
    pub(super) undo: Option<&'a Command>,
}

impl Deed for ScriptRun<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        // Without a command of its own, the way back is the backup.
        let changes = matches!(context.step.phase, Phase::Install | Phase::After);
        if changes && self.undo.is_none() && context.backup()?.is_none() {
            let before = "a script that has no undo command";
            return Err(StepError::NoBackup { leg: context.leg, before });
        }
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(last_lines(&context.succeed(self.run)?))
    }

    /// A script that takes its own release away would be told as something that is not found, much later.
    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        let path = context.layout.release(context.to);
        if path.is_dir() {
            return Ok(());
        }
        Err(StepError::ReleaseTakenAway { command: self.run.0.join(" "), path })
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        match self.undo {
            Some(undo) => Ok(Undo::Done(last_lines(&context.succeed(undo)?))),
            None if context.step.phase < Phase::Install => Ok(Undo::Nothing {
                because: "it ran before the backup, inside the new release's folder".to_owned(),
            }),
            None => Ok(Undo::Done(context.restore_unit()?)),
        }
    }
}
