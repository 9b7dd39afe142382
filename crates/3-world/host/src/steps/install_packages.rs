//! `install.packages`: installs the carried Debian packages; undone by putting back the very files that were there, with the unit.

use super::{Deed, Precheck, Undo, install_switch::expect};
use crate::{
    command::Run,
    context::Context,
    error::StepError,
    packages::{Apt, Chosen, POLICY, UndoSet, also, lock_is_free, sync_system},
    process::ORDER_MARK,
};
use refit_packs::runbook::Packages;
use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::Duration,
};

/// What packages' scripts are told while services are held: the action is forbidden.
const FORBIDS: &str =
    "#!/bin/sh\n# Refit installs packages and starts services itself.\nexit 101\n";
/// Caches and units are read within seconds.
const LIMIT: Duration = Duration::from_secs(120);
const LINKER_CACHE: &str = "/etc/ld.so.cache";

pub(super) struct InstallPackages<'a> {
    pub(super) terms: &'a Packages,
}

impl InstallPackages<'_> {
    /// Everything that speaks against it is said before the first change; then the undo set is sealed.
    fn begin(&self, context: &Context<'_>, set: &UndoSet) -> Result<(), StepError> {
        expect(context, context.from)?;
        let apt = Apt::of(context, self.terms);
        let chosen = apt.choose()?;
        set.seal(&also(context, self.terms)?, &apt.files(&chosen)?)
    }

    fn install(&self, context: &Context<'_>, resumed: bool) -> Result<Chosen, StepError> {
        let apt = Apt::of(context, self.terms);
        if resumed {
            apt.repair(context.limit())?;
        }
        let chosen = apt.choose()?;
        apt.install(&chosen, context.limit())?;
        Ok(chosen)
    }
}

fn hold_services() -> Result<(), StepError> {
    let path = Path::new(POLICY);
    // Never written over: whatever holds the old one by another name keeps it.
    let fresh = path.with_file_name("policy-rc.d.dpkg-new");
    fs::write(&fresh, FORBIDS).map_err(StepError::io("write", &fresh))?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o755))
        .map_err(StepError::io("set rights of", &fresh))?;
    fs::rename(&fresh, path).map_err(StepError::io("put in place", path))
}

impl Deed for InstallPackages<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        lock_is_free(context.limit())?;
        let release = context.layout.release(context.to);
        if release.is_dir() {
            return Ok(Precheck::Ready);
        }
        Err(StepError::NotStaged { path: release })
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let set = UndoSet::of(context, context.to);
        let resumed = set.is_sealed()?;
        if !resumed {
            self.begin(context, &set)?;
        }
        if self.terms.hold_services {
            hold_services()?;
        }
        let installed = self.install(context, resumed);
        if self.terms.hold_services {
            // Also when it failed, and before that is told.
            set.put_back_only(Path::new(POLICY))?;
        }
        let installed = installed?;
        sync_system()?;
        context.layout.point_at(context.to)?;
        Ok(format!("from {} to {}: {installed}", context.from, context.to))
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        Apt::of(context, self.terms).are_there()?;
        expect(context, context.to)
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        lock_is_free(context.limit())?;
        let set = UndoSet::of(context, context.to);
        let back = set.put_back()?;
        if back.is_some() {
            refresh(context, &set)?;
        }
        if context.layout.release(context.from).is_dir() {
            context.layout.point_at(context.from)?;
        } else {
            context.layout.point_nowhere()?;
        }
        expect(context, context.from)?;
        let unit = context.restore_unit()?;
        let (written, removed) = back.unwrap_or_default();
        Ok(Undo::Done(format!(
            "build {} is in place, {written} files were put back and {removed} removed; {unit}",
            context.from
        )))
    }
}

/// What the system made from the files is made again.
fn refresh(context: &Context<'_>, set: &UndoSet) -> Result<(), StepError> {
    let mark = BTreeMap::from([(ORDER_MARK.to_owned(), context.mark.to_owned())]);
    let run = |argv: &[&str]| {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let (folder, below, environment) = ("/".into(), "/".into(), mark.clone());
        Run { argv, folder, below, environment, user: None, secrets: vec![] }.succeed(LIMIT)
    };
    run(&["ldconfig"])?;
    set.put_back_only(Path::new(LINKER_CACHE))?;
    if Path::new("/run/systemd/system").is_dir() {
        run(&["systemctl", "daemon-reload"])?;
    }
    Ok(())
}
