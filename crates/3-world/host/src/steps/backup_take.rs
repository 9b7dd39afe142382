//! `backup.take`: saves files and databases of one moment. Never undone: it is what undo needs.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError};
use refit_backup::{Quiet, Saved, take};
use std::{fs, io};

pub(super) struct BackupTake;

/// What filled the volume must not keep the host from its way back.
fn discard_half(context: &Context<'_>) {
    let name = format!("{}.partial", context.backup_id());
    let half = context.backups().join(context.product.name.as_str()).join(name);
    match fs::remove_dir_all(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "failed to remove {}", half.display());
        }
        _ => {}
    }
}

impl Deed for BackupTake {
    /// A sealed backup of an earlier try may be older than the last write: a new one is taken.
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let unit = context.unit()?;
        let taken = take(&context.backups(), &context.backup_id(), &unit, context.clock.now());
        let sealed = taken.inspect_err(|_| discard_half(context))?;
        let how = match unit.product_is {
            Quiet::Stopped => "the product stopped",
            Quiet::Running => "the product running",
        };
        let (databases, files) = (sealed.manifest.databases.len(), sealed.manifest.files.len());
        Ok(format!(
            "{databases} databases and {files} paths, {}, {} of it copied, {how}, manifest {}",
            sealed.manifest.size(),
            Saved::of(&sealed.manifest).copied,
            sealed.digest
        ))
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        let before = "going on";
        let sealed = context.backup()?.ok_or(StepError::NoBackup { leg: context.leg, before })?;
        Ok(sealed.is_of(context.from)?)
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Nothing { because: "undo needs it".to_owned() })
    }
}
