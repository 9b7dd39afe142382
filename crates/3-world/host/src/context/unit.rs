//! The unit of the product in a leg: its backup, and the way back to it.

use super::{Context, release_digest, stops_product};
use crate::{error::StepError, process::ORDER_MARK, unit::database_places};
use refit_backup::{Quiet, Sealed, UnitPlace};
use refit_inventory::ServiceState;
use refit_packs::runbook::{Phase, Step, StepKind};
use std::{collections::BTreeMap, fs, path::PathBuf};

impl Context<'_> {
    pub(crate) fn backups(&self) -> PathBuf {
        self.state.join("backups")
    }

    fn backup_prefix(&self) -> String {
        format!("{}.{}.leg{}.", self.order.rollout, self.order.generation, self.leg)
    }

    /// The name of a backup of this leg; each try has its own, for a sealed one is never written again.
    pub(crate) fn backup_id(&self) -> String {
        format!("{}{}", self.backup_prefix(), self.attempt)
    }

    /// The newest sealed backup of this leg.
    pub(crate) fn backup(&self) -> Result<Option<Sealed>, StepError> {
        let folder = self.backups().join(self.product.name.as_str());
        let prefix = self.backup_prefix();
        let attempt = |entry: fs::DirEntry| {
            entry.file_name().to_str()?.strip_prefix(&prefix)?.parse::<u32>().ok()
        };
        let found = fs::read_dir(&folder).into_iter().flatten().flatten();
        let Some(newest) = found.filter_map(attempt).max() else { return Ok(None) };
        let id = format!("{prefix}{newest}");
        Ok(Some(Sealed::open(&self.backups(), &self.product.name, &id)?))
    }

    /// The unit of the build before, as it lies on this host.
    pub(crate) fn unit(&self) -> Result<UnitPlace, StepError> {
        let unit = &self.record.manifest.unit;
        let databases = database_places(unit, |url| Ok(self.value(url)?.to_owned()))?;
        let stopped = self.service.state()? == ServiceState::Stopped;
        Ok(UnitPlace {
            product: self.product.name.clone(),
            build: self.from.clone(),
            release: release_digest(self.log, self.order, self.layout, self.from)?,
            root: self.layout.root().to_owned(),
            data: unit.data.clone(),
            databases,
            product_is: if stopped { Quiet::Stopped } else { Quiet::Running },
            run_as: self.user()?.and_then(|user| user.change_to()),
            environment: BTreeMap::from([(ORDER_MARK.to_owned(), self.mark.to_owned())]),
            limit: self.limit(),
            meter: self.meter.clone(),
        })
    }

    /// Whether a step that can change the unit was begun in this leg.
    fn unit_was_touched(&self) -> bool {
        self.touched_by(&self.record.runbook.steps)
    }

    /// Whether one was begun behind the step that saves the unit.
    fn unit_was_touched_after_backup(&self) -> bool {
        let saves = |step: &Step| matches!(step.kind, StepKind::BackupTake {});
        let steps = &self.record.runbook.steps;
        steps.iter().position(saves).is_some_and(|at| self.touched_by(&steps[at..]))
    }

    fn touched_by(&self, steps: &[Step]) -> bool {
        let touches = |step: &&Step| {
            matches!(
                step.kind,
                StepKind::DatabaseMigrate { .. }
                    | StepKind::InstallRemove(_)
                    | StepKind::ServiceStart { .. }
                    | StepKind::ScriptRun { .. }
            )
        };
        let steps = steps.iter().filter(|step| step.phase > Phase::Before);
        steps.filter(touches).any(|step| self.begun.contains(&step.id))
    }

    /// Brings files and databases back to the moment of this leg's backup; once per leg.
    pub(crate) fn restore_unit(&self) -> Result<String, StepError> {
        let done = restored_key(self.leg);
        if let Some(note) = self.log.recall(self.order, &done)? {
            return Ok(format!("was restored before: {note}"));
        }
        let Some(backup) = self.backup()? else {
            // One that was taken and is gone is not one that was never needed.
            if self.unit_was_touched_after_backup() {
                let before = "restoring files and databases";
                return Err(StepError::NoBackup { leg: self.leg, before });
            }
            return Ok(
                "no backup was taken before, nothing of the unit was changed after".to_owned()
            );
        };
        if !self.unit_was_touched() {
            return Ok("nothing that writes into the unit was begun".to_owned());
        }
        backup.is_of(self.from)?;
        // Whoever still runs would write into what is restored.
        let runs = self.service.state()? != ServiceState::Stopped;
        if runs {
            self.service.stop(self.limit())?;
        }
        let restored = refit_backup::restore(&backup, &self.unit()?, self.clock.now())?;
        let steps = &self.record.runbook.steps;
        if runs && !steps.iter().any(|step| stops_product(&step.kind)) {
            // No step of the runbook stopped it, so none will start it again.
            self.service.start(self.limit())?;
        }
        Ok(self.log.remember(self.order, &done, &restored.told(backup.manifest.taken_at))?)
    }
}

/// Where it is kept what the way back of a leg restored.
pub(crate) fn restored_key(leg: u32) -> String {
    format!("leg{leg}/restored")
}
