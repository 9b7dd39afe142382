//! `check.disk`: enough free space for the release's folder again, its undo and its backup.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError, layout::free_bytes};
use refit_names::ByteSize;

pub(super) struct CheckDisk {
    pub(super) percent_of_product: u32,
    pub(super) extra: ByteSize,
}

impl Deed for CheckDisk {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let size = context.layout.size()?.0;
        let share = size.saturating_mul(u64::from(self.percent_of_product)) / 100;
        let own = context.record.manifest.requirements.disk.0;
        let needed = share.saturating_add(self.extra.0).saturating_add(own);
        let free = free_bytes(context.layout.root())?.0;
        if free < needed {
            let path = context.layout.root().to_owned();
            return Err(StepError::DiskFull { path, free, needed });
        }
        // The backup lies on the agent's own volume.
        let backups = free_bytes(context.state)?.0;
        if backups < size {
            let path = context.state.to_owned();
            return Err(StepError::DiskFull { path, free: backups, needed: size });
        }
        Ok(format!("{} free, {} needed", ByteSize(free), ByteSize(needed)))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
