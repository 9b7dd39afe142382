//! The way back from the last pack, after its order ended well: an order like any other, with one leg that leads to the build before.

use crate::{error::StepError, layout::Layout, product::ProductConfig};
use refit_backup::Sealed;
use refit_names::{BuildId, ByteSize, Digest, RolloutName};
use refit_packs::{
    manifest::{DataSince, Database, UninstallRule, Unit},
    record::PackRecord,
    runbook::{Remove, StepKind},
};
use refit_plan::{Order, OrderKey, Way};
use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The pack that was installed last.
#[derive(Debug)]
pub struct LastPack<'a> {
    /// The product, as the host's configuration has it.
    pub product: &'a ProductConfig,
    /// The agent's state folder.
    pub state: &'a Path,
    /// The order that installed it.
    pub order: &'a Order,
    /// Its record: that of the order's last leg.
    pub record: &'a PackRecord,
}

/// What removing a pack means.
#[derive(Debug)]
pub struct Removal {
    /// The build that is removed.
    pub build: BuildId,
    /// The build that runs afterwards.
    pub back_to: BuildId,
    /// What becomes of data that was written since, in words for people.
    pub data: String,
    /// The procedure, as a pack's record would have it.
    pub record: PackRecord,
}

impl LastPack<'_> {
    fn leg(&self) -> usize {
        self.order.legs.len().saturating_sub(1)
    }

    fn cannot(&self, because: impl Into<String>) -> StepError {
        let (product, build) = (self.product.name.clone(), self.record.manifest.to.clone());
        StepError::CannotUninstall { product, build, because: because.into() }
    }

    /// Says what removing it means, or why it cannot be removed. Changes nothing.
    ///
    /// # Errors
    /// [`StepError::CannotUninstall`]: the pack's rule, another build after it, an undo set or backup that is gone.
    pub fn removal(&self) -> Result<Removal, StepError> {
        let manifest = &self.record.manifest;
        if self.order.removal().is_some() {
            return Err(self.cannot(
                "it came back when a later pack was removed, and only what was installed last can be removed",
            ));
        }
        let leg =
            self.order.legs.get(self.leg()).ok_or_else(|| self.cannot("its order has no legs"))?;
        let Some(rule) = &manifest.uninstall else {
            return Err(self.cannot("its pack promises nothing about removal"));
        };
        if rule.allowed == UninstallRule::Never {
            return Err(self.cannot(format!("its pack forbids it: {}", rule.because)));
        }
        let layout = Layout::of(self.product);
        let installed = layout.installed()?;
        if installed.as_ref() != Some(&manifest.to) {
            let found = installed.map_or_else(|| "nothing".to_owned(), |build| build.to_string());
            return Err(self.cannot(format!("{found} is installed now")));
        }
        let mut kinds = self.record.runbook.steps.iter().map(|step| &step.kind);
        if kinds.any(|kind| matches!(kind, StepKind::InstallPackages(_))) {
            return Err(
                self.cannot("it consists of system packages, on which others may depend by now")
            );
        }
        let release = layout.release(&leg.from);
        if !release.is_dir() {
            return Err(self.cannot(format!(
                "the release of the build before, {}, is gone",
                release.display()
            )));
        }
        let backup = self.backup(&leg.from)?;
        let (data, backup) = match rule.data {
            DataSince::Keep => ("files and databases stay as they are".to_owned(), None),
            DataSince::Refuse if written_since(&backup, &manifest.unit, &self.product.root)? => {
                return Err(self.cannot(was_written(&backup)));
            }
            DataSince::Lost | DataSince::Refuse => (
                format!(
                    "files and databases return to {}; whatever was written since is lost to the product and kept beside the backup",
                    backup.manifest.taken_at
                ),
                Some(backup_id(&backup)),
            ),
        };
        let in_place = self.record.runbook.in_place().cloned();
        let key = &self.order.key;
        let installed_by = format!("{}.{}.leg{}", key.rollout, key.generation, self.leg());
        let refuse_written = rule.data == DataSince::Refuse;
        let remove = Remove { installed_by, in_place, backup, refuse_written };
        let record = refit_packs::removal(self.record, &leg.from, &remove)
            .map_err(|error| self.cannot(error.to_string()))?;
        let (build, back_to) = (manifest.to.clone(), leg.from.clone());
        Ok(Removal { build, back_to, data, record })
    }

    /// The newest backup that the leg took.
    fn backup(&self, of: &BuildId) -> Result<Sealed, StepError> {
        let key = &self.order.key;
        let prefix = format!("{}.{}.leg{}.", key.rollout, key.generation, self.leg());
        let all = refit_backup::list(&self.state.join("backups"), &self.product.name);
        let own = all.into_iter().rev().find(|sealed| backup_id(sealed).starts_with(&prefix));
        let own = own.ok_or_else(|| self.cannot("the backup that was taken before it is gone"))?;
        own.is_of(of)?;
        Ok(own)
    }

    /// The order that carries the removal out; `number` tells it from earlier ones.
    ///
    /// # Errors
    /// [`StepError`] when a name of it is no name.
    pub fn order(&self, removal: &Removal, number: u64) -> Result<Order, StepError> {
        let name = format!("uninstall-{}", self.product.name);
        let rollout = RolloutName::parse(name).map_err(|error| self.cannot(error.to_string()))?;
        let mut order = self.order.clone();
        let mut leg = order.legs.pop().ok_or_else(|| self.cannot("its order has no legs"))?;
        leg.from = removal.build.clone();
        leg.pack.to = removal.back_to.clone();
        leg.pack.size = ByteSize(0);
        leg.way = Way::Removal;
        order.plan = Digest::of(&serde_json::to_vec(&removal.record)?);
        order.legs = vec![leg];
        order.key = OrderKey { rollout, generation: refit_names::Generation(number) };
        order.opening = None;
        order.times = None;
        order.parts = Default::default();
        Ok(order)
    }
}

/// Whether a file of the unit is younger than the backup. A database on a server may always have been written to.
pub(crate) fn written_since(backup: &Sealed, unit: &Unit, root: &Path) -> Result<bool, StepError> {
    let taken = SystemTime::from(backup.manifest.taken_at);
    let mut open: Vec<PathBuf> = unit.data.iter().map(|path| root.join(path.as_str())).collect();
    for database in unit.databases.values() {
        let Database::Sqlite { path } = database else { return Ok(true) };
        open.push(root.join(path.as_str()));
        open.push(root.join(format!("{path}-wal")));
    }
    while let Some(path) = open.pop() {
        let Ok(seen) = fs::symlink_metadata(&path) else { continue };
        if seen.modified().map_err(StepError::io("look at", &path))? > taken {
            return Ok(true);
        }
        if seen.is_dir() {
            let entries = fs::read_dir(&path).map_err(StepError::io("list", &path))?;
            open.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    Ok(false)
}

/// Why a pack that refuses to lose data is not removed.
pub(crate) fn was_written(backup: &Sealed) -> String {
    format!("data was written since {}, and its pack refuses to lose it", backup.manifest.taken_at)
}

fn backup_id(sealed: &Sealed) -> String {
    sealed.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
