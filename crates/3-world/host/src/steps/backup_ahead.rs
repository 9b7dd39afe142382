//! `backup.ahead`: saves files while the product still runs. Nothing depends on it; it only makes the downtime shorter.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError};
use refit_backup::save_ahead;

pub(super) struct BackupAhead;

impl Deed for BackupAhead {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let (unit, id) = (context.unit()?, context.backup_id());
        let saved = save_ahead(&context.backups(), &id, &unit, context.clock.now())?;
        Ok(format!("{} of files are here, {} of them copied now", saved.all, saved.copied))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Nothing { because: "it is thrown away with the order".to_owned() })
    }
}
