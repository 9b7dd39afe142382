//! A product outside an order: its files and databases as one unit, saved, proven and brought back.

use crate::{
    error::StepError,
    in_place::Listing,
    layout::Layout,
    product::ProductConfig,
    service::{self, Service},
    user::User,
};
use jiff::Timestamp;
use refit_backup::{
    DatabasePlace, Depth, Meter, Proof, Quiet, Restored, Sealed, UnitPlace, prove, restore,
    save_ahead, take, take_verified, verify_told,
};
use refit_inventory::ServiceState;
use refit_names::{BuildId, ParameterName, ProductName};
use refit_packs::manifest::{Database, Unit};
use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest time for stopping, starting and each database program: as a step's.
const LIMIT: Duration = Duration::from_secs(600);

/// Nothing else may happen to a product while this is held: no order, no backup, no restore.
pub struct ProductLock {
    _file: File,
}

impl ProductLock {
    /// Takes the lock, or says that something else happens to the product.
    ///
    /// # Errors
    /// [`StepError::ProductBusy`] when another holds it.
    pub fn try_take(state: &Path, product: &ProductName) -> Result<Self, StepError> {
        let (path, file) = Self::file(state, product)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(StepError::ProductBusy { product: product.clone() })
            }
            Err(TryLockError::Error(error)) => Err(StepError::io("lock", &path)(error)),
        }
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// [`StepError::Io`].
    pub fn take(state: &Path, product: &ProductName) -> Result<Self, StepError> {
        let (path, file) = Self::file(state, product)?;
        file.lock().map_err(StepError::io("lock", &path))?;
        Ok(Self { _file: file })
    }

    fn file(state: &Path, product: &ProductName) -> Result<(PathBuf, File), StepError> {
        let folder = state.join("locks");
        fs::create_dir_all(&folder).map_err(StepError::io("make folder", &folder))?;
        let path = folder.join(product.as_str());
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(StepError::io("open", &path))?;
        Ok((path, file))
    }
}

/// Where the unit's databases are; `value` knows the connection strings.
pub(crate) fn database_places(
    unit: &Unit,
    value: impl Fn(&ParameterName) -> Result<String, StepError>,
) -> Result<BTreeMap<String, DatabasePlace>, StepError> {
    let place = |database: &Database| -> Result<DatabasePlace, StepError> {
        Ok(match database {
            Database::Sqlite { path } => DatabasePlace::Sqlite(path.clone()),
            Database::Postgres { url } => DatabasePlace::Postgres(value(url)?),
            Database::Mariadb { url } => DatabasePlace::Mariadb(value(url)?),
        })
    };
    unit.databases.iter().map(|(name, database)| Ok((name.clone(), place(database)?))).collect()
}

/// What a restore asks of the release of the backup's build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseDemand {
    /// It is what it was when the backup was taken.
    Unchanged,
    /// It is there; a person looked at what was changed in it.
    Present,
}

impl ReleaseDemand {
    /// As a person says it.
    #[must_use]
    pub fn of(release_as_it_is: bool) -> Self {
        if release_as_it_is { Self::Present } else { Self::Unchanged }
    }
}

/// A product with what belongs to it.
pub struct ProductUnit<'a> {
    /// As the host's configuration has it.
    pub product: &'a ProductConfig,
    /// What is saved and restored together.
    pub unit: &'a Unit,
    /// The agent's state folder.
    pub state: &'a Path,
    /// Counts what is saved and restored.
    pub meter: Meter,
}

impl ProductUnit<'_> {
    /// Where backups lie.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.state.join("backups")
    }

    fn layout(&self) -> Layout {
        Layout::of(self.product)
    }

    fn service(&self) -> Box<dyn Service> {
        service::open(self.product, self.state)
    }

    fn place(&self, build: BuildId, quiet: Quiet) -> Result<UnitPlace, StepError> {
        let values = service::product_values(self.product);
        let value = |name: &ParameterName| {
            let missing = || StepError::NoValue { parameter: name.to_string() };
            values.get(name).cloned().ok_or_else(missing)
        };
        let databases = database_places(self.unit, value)?;
        let user = self.product.user.as_deref().map(User::find).transpose()?;
        Ok(UnitPlace {
            product: self.product.name.clone(),
            release: self.layout().look_of(&build)?,
            build,
            root: self.product.root.clone(),
            data: self.unit.data.clone(),
            databases,
            product_is: quiet,
            run_as: user.and_then(|user| user.change_to()),
            environment: BTreeMap::new(),
            limit: LIMIT,
            meter: self.meter.clone(),
        })
    }

    fn installed(&self) -> Result<BuildId, StepError> {
        let nothing = || StepError::NothingInstalled { product: self.product.name.clone() };
        self.layout().installed()?.ok_or_else(nothing)
    }

    /// Whether another build cannot be had by exchanging a link: it lives in one folder, or in the system's.
    fn is_one_place(&self, installed: Option<&BuildId>) -> bool {
        let adopted = |build| Listing::load(self.state, &self.product.name, build).is_ok();
        self.product.package.is_some() || installed.is_some_and(adopted)
    }

    /// Takes a backup and reads back what is new in it. With `quiesce` the product is stopped for the moment that is saved, and only
    /// for that: files are saved before, and read back after.
    ///
    /// # Errors
    /// [`StepError`]; the service is started again also then.
    pub fn back_up(
        &self,
        id: &str,
        quiesce: bool,
        now: Timestamp,
        say: &dyn Fn(&str),
    ) -> Result<Sealed, StepError> {
        let _lock = ProductLock::try_take(self.state, &self.product.name)?;
        let (service, build) = (self.service(), self.installed()?);
        let runs = service.state()? != ServiceState::Stopped;
        if !(quiesce && runs) {
            let quiet = if runs { Quiet::Running } else { Quiet::Stopped };
            say("saving files and databases");
            return Ok(take_verified(&self.store(), id, &self.place(build, quiet)?, now)?);
        }
        let place = self.place(build, Quiet::Running)?;
        say("saving files while the product runs");
        save_ahead(&self.store(), id, &place, now)?;
        say("stopping the product for the moment that is saved");
        let stopped = service.stop(LIMIT).and_then(|()| {
            let place = UnitPlace { product_is: Quiet::Stopped, ..place };
            say("saving what changed, and databases");
            Ok(take(&self.store(), id, &place, now)?)
        });
        say("starting the product");
        // Both may fail: what kept it from being saved is the cause, a product that stays down is worse.
        service.start(LIMIT)?;
        let sealed = stopped?;
        say("reading back what was saved");
        verify_told(&sealed, Depth::Fresh, LIMIT, &self.meter)?;
        Ok(sealed)
    }

    /// Restores a backup into scratch space, databases included.
    ///
    /// # Errors
    /// [`StepError`] when it is not whole or there is no room.
    pub fn prove(&self, sealed: &Sealed) -> Result<Proof, StepError> {
        let place = self.place(self.installed()?, Quiet::Running)?;
        let scratch = self.state.join("scratch").join(self.product.name.as_str());
        Ok(prove(sealed, &place, &scratch)?)
    }

    /// Brings the whole unit back to the moment of a backup: the release that ran then, files, databases. Done twice, it reaches
    /// the same goal. What is there now is sealed beside the backup first.
    ///
    /// # Errors
    /// [`StepError`]; refused before anything changes when the release of that build is not on this host any more or is not what it was.
    pub fn bring_back(
        &self,
        sealed: &Sealed,
        demand: ReleaseDemand,
        now: Timestamp,
        say: &dyn Fn(&str),
    ) -> Result<Restored, StepError> {
        let _lock = ProductLock::try_take(self.state, &self.product.name)?;
        let build = sealed.manifest.build.clone();
        let release = self.layout().release(&build);
        let installed = self.layout().installed()?;
        if installed.as_ref() != Some(&build) && self.is_one_place(installed.as_ref()) {
            let found = installed.map_or_else(|| "none".to_owned(), |build| build.to_string());
            return Err(StepError::WrongBuild { expected: build, found });
        }
        if self.product.package.is_none() && !release.is_dir() {
            return Err(StepError::ReleaseGone { build, path: release });
        }
        let place = self.place(build.clone(), Quiet::Stopped)?;
        if demand == ReleaseDemand::Unchanged && place.release != sealed.manifest.release {
            let newest = newest_change(&release)?;
            return Err(StepError::ReleaseNotOfBackup { path: release, newest });
        }
        say("stopping the product");
        self.service().stop(LIMIT)?;
        say("putting aside what is there now, and restoring");
        let restored = restore(sealed, &place, now)?;
        if release.is_dir() {
            self.layout().point_at(&build)?;
        }
        say("starting the product");
        self.service().start(LIMIT)?;
        Ok(restored)
    }
}

/// The newest change of a file in a tree, for people: which, and when.
fn newest_change(release: &Path) -> Result<String, StepError> {
    let (mut newest, mut folders) = (None, vec![release.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(StepError::io("list", &folder))? {
            let path = entry.map_err(StepError::io("list", &folder))?.path();
            let seen = fs::symlink_metadata(&path).map_err(StepError::io("look at", &path))?;
            if seen.is_dir() {
                folders.push(path);
            } else {
                newest = newest.max(Some((seen.ctime(), path)));
            }
        }
    }
    let Some((at, path)) = newest else { return Ok("it is empty".to_owned()) };
    let at = Timestamp::from_second(at).unwrap_or_default();
    let path = path.strip_prefix(release).unwrap_or(&path);
    Ok(format!("`{}` at {at}", path.display()))
}
