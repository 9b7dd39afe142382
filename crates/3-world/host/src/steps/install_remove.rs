//! `install.remove`: puts back what the last pack replaced, and the unit of that moment if its data is not kept.

use super::{Deed, Precheck, Undo, install_switch::expect};
use crate::{
    context::Context,
    error::StepError,
    in_place,
    uninstall::{was_written, written_since},
};
use refit_backup::{Sealed, UnitPlace, restore};
use refit_packs::runbook::Remove;

pub(super) struct InstallRemove<'a> {
    pub(super) terms: &'a Remove,
}

impl InstallRemove<'_> {
    /// The last look, now that the product takes no more writes; once, for restoring writes too.
    fn refuse_written(&self, context: &Context<'_>) -> Result<(), StepError> {
        let (Some(id), true) = (&self.terms.backup, self.terms.refuse_written) else {
            return Ok(());
        };
        let looked = format!("leg{}/not-written", context.leg);
        if context.log.recall(context.order, &looked)?.is_some() {
            return Ok(());
        }
        let sealed = Sealed::open(&context.backups(), &context.product.name, id)?;
        if written_since(&sealed, &context.record.manifest.unit, &context.product.root)? {
            let (product, build) = (context.product.name.clone(), context.from.clone());
            return Err(StepError::CannotUninstall {
                product,
                build,
                because: was_written(&sealed),
            });
        }
        context.log.remember(context.order, &looked, "")?;
        Ok(())
    }

    fn restore(&self, context: &Context<'_>) -> Result<String, StepError> {
        let Some(id) = &self.terms.backup else {
            return Ok("files and databases stay as they are".to_owned());
        };
        let done = format!("leg{}/removed", context.leg);
        if let Some(note) = context.log.recall(context.order, &done)? {
            return Ok(note);
        }
        let sealed = Sealed::open(&context.backups(), &context.product.name, id)?;
        sealed.is_of(context.to)?;
        let release = context.layout.look_of(context.to)?;
        let place = UnitPlace { build: context.to.clone(), release, ..context.unit()? };
        let restored = restore(&sealed, &place, context.clock.now())?;
        Ok(context.log.remember(context.order, &done, &restored.told(sealed.manifest.taken_at))?)
    }
}

impl Deed for InstallRemove<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let release = context.layout.release(context.to);
        if release.is_dir() {
            Ok(Precheck::Ready)
        } else {
            Err(StepError::NotStaged { path: release })
        }
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        self.refuse_written(context)?;
        let back = match &self.terms.in_place {
            Some(terms) => in_place::take_out(context, terms, &self.terms.installed_by)?,
            None => 0,
        };
        context.layout.point_at(context.to)?;
        let unit = self.restore(context)?;
        Ok(format!("from {} back to {}, {back} entries put back; {unit}", context.from, context.to))
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        expect(context, context.to)
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        if let Some(terms) = &self.terms.in_place {
            in_place::put_again(context, terms)?;
        }
        context.layout.point_at(context.from)?;
        expect(context, context.from)?;
        let unit = context.restore_unit()?;
        Ok(Undo::Done(format!("build {} is in place again; {unit}", context.from)))
    }
}
