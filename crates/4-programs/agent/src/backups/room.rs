//! What is done with backups, step by step.

use crate::{
    backups::{BackupsError, notes::Notes},
    config::Config,
    files,
};
use refit_ambient::Clock;
use refit_backup::{Depth, Meter, Saved, Sealed};
use refit_host::{
    error::StepError,
    product::ProductConfig,
    unit::{ProductUnit, ReleaseDemand},
};
use refit_names::{HostName, ProductName};
use refit_packs::manifest::Unit;
use refit_protocol::backup::{BackupView, Retention};
use refit_vault::{Forgotten, Snapshot, Vault, VaultPlace};
use std::{
    cell::OnceCell,
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

/// Backups on the host itself beyond the repository: enough for the fast way back.
const LOCAL_KEPT: usize = 3;
/// Reading a dump's table of contents takes seconds.
const CHECK_LIMIT: Duration = Duration::from_secs(600);

/// Whose backups these are.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) state: &'a Path,
    pub(crate) config: &'a Config,
    pub(crate) host: &'a HostName,
    pub(crate) clock: &'a dyn Clock,
}

/// The way to all backups of this host.
pub(crate) struct Room<'a> {
    whose: Whose<'a>,
    /// Told what is done just now.
    say: &'a dyn Fn(&str),
    /// How far that is.
    meter: Meter,
    /// Opened once: what its password unlocks takes long on purpose.
    vault: OnceCell<Vault>,
}

impl<'a> Deref for Room<'a> {
    type Target = Whose<'a>;

    fn deref(&self) -> &Whose<'a> {
        &self.whose
    }
}

/// Where the unit of an upgraded product is remembered.
fn unit_path(state: &Path, product: &ProductName) -> PathBuf {
    state.join("units").join(format!("{product}.json"))
}

/// Remembers what belongs to a product, as the pack that was just installed says.
pub(crate) fn remember_unit(
    state: &Path,
    product: &ProductName,
    unit: &Unit,
) -> Result<(), BackupsError> {
    let path = unit_path(state, product);
    files::write_json(&path, unit).map_err(BackupsError::io("write", &path))
}

/// What belongs to a product, as far as anybody said.
pub(crate) fn known_unit(
    state: &Path,
    product: &ProductConfig,
) -> Result<Option<Unit>, BackupsError> {
    let path = unit_path(state, &product.name);
    match &product.unit {
        Some(unit) => Ok(Some(unit.clone())),
        None => files::read_json(&path).map_err(BackupsError::io("read", &path)),
    }
}

impl<'a> Room<'a> {
    pub(crate) fn new(whose: Whose<'a>, say: &'a dyn Fn(&str)) -> Self {
        Self { whose, say, meter: Meter::default(), vault: OnceCell::new() }
    }

    /// Counts with clones of it.
    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Another piece of work begins.
    fn say(&self, what: &str) {
        self.meter.begin();
        (self.say)(what);
    }

    /// A product that the agent looks after.
    pub(super) fn product(&self, name: &ProductName) -> Result<&ProductConfig, BackupsError> {
        self.config.product(name).ok_or_else(|| {
            let known = self.config.products.iter().map(|product| product.name.to_string());
            let known = known.collect::<Vec<_>>().join(", ");
            BackupsError::NoProduct { product: name.clone(), known }
        })
    }

    fn with_unit<T>(
        &self,
        name: &ProductName,
        work: impl FnOnce(&ProductUnit<'_>) -> Result<T, BackupsError>,
    ) -> Result<T, BackupsError> {
        let product = self.product(name)?;
        let unit = known_unit(self.state, product)?;
        let unit = unit.ok_or_else(|| BackupsError::NoUnit { product: name.clone() })?;
        let meter = self.meter();
        work(&ProductUnit { product, unit: &unit, state: self.state, meter })
    }

    fn vault_place(&self) -> Result<VaultPlace, BackupsError> {
        self.config.backup.as_ref().ok_or(BackupsError::NoRepository)?.place()
    }

    fn vault(&self) -> Result<&Vault, BackupsError> {
        if let Some(vault) = self.vault.get() {
            return Ok(vault);
        }
        let opened = Vault::open(&self.vault_place()?)?.counted_by(self.meter());
        Ok(self.vault.get_or_init(|| opened))
    }

    /// Makes the repository that the configuration names.
    pub(crate) fn init(&self) -> Result<String, BackupsError> {
        let place = self.vault_place()?;
        Vault::create(&place)?;
        Ok(place.target.to_string())
    }

    /// Reads every byte of the repository.
    pub(crate) fn check(&self) -> Result<(), BackupsError> {
        Ok(self.vault()?.check()?)
    }

    /// Takes a backup, keeps it in the repository if there is one, and reads it back.
    pub(crate) fn run(
        &self,
        kind: &str,
        product: &ProductName,
        quiesce: bool,
    ) -> Result<(Sealed, String), BackupsError> {
        let now = self.clock.now();
        let id = format!("{kind}-{}", now.strftime("%Y%m%dT%H%M%SZ"));
        // The target is looked for before the product is touched.
        let vault = match &self.config.backup {
            Some(_) => Some(self.vault()?),
            None => None,
        };
        let sealed = self.with_unit(product, |unit| {
            Ok(unit.back_up(&id, quiesce, now, &|what| self.say(what))?)
        })?;
        let saved = Saved::of(&sealed.manifest);
        let mut note = format!("{} saved, {} of it anew", saved.all, saved.copied);
        let mut snapshot = None;
        if let Some(vault) = vault {
            self.say("keeping it in the repository");
            let kept = vault.keep(self.host, &sealed)?;
            note.push_str(&format!(
                "; kept as snapshot {}, {} added",
                kept.snapshot.id.get(..8).unwrap_or(&kept.snapshot.id),
                kept.snapshot.added
            ));
            snapshot = Some(kept.snapshot.id);
        }
        let now = self.clock.now();
        Notes::change(self.state, |notes| {
            notes.verified.insert(id.clone(), now);
            if let Some(snapshot) = snapshot {
                notes.kept.insert(id.clone(), snapshot);
            }
        })?;
        // Orders need theirs until they end; they have other names and forget by themselves.
        if self.config.backup.is_some() {
            self.prune_local(product)?;
        }
        Ok((sealed, note))
    }

    /// Forgets all but the newest backups on the host that the repository holds too.
    fn prune_local(&self, product: &ProductName) -> Result<(), BackupsError> {
        let notes = Notes::read(self.state)?;
        let store = self.state.join("backups");
        let mut ours: Vec<String> = refit_backup::list(&store, product)
            .iter()
            .filter_map(|sealed| sealed.folder.file_name()?.to_str().map(str::to_owned))
            .filter(|id| notes.kept.contains_key(id))
            .collect();
        ours.truncate(ours.len().saturating_sub(LOCAL_KEPT));
        for id in ours {
            let folder = store.join(product.as_str()).join(&id);
            fs::remove_dir_all(&folder).map_err(BackupsError::io("remove", &folder))?;
        }
        Ok(())
    }

    /// All backups of one product, or of all, oldest first.
    pub(crate) fn list(
        &self,
        product: Option<&ProductName>,
    ) -> Result<Vec<BackupView>, BackupsError> {
        let snapshots = match &self.config.backup {
            Some(_) => self.vault()?.list(self.host)?,
            None => Vec::new(),
        };
        self.views(product, &snapshots)
    }

    /// What lies on this host: all that can be restored while the repository is out of reach.
    pub(crate) fn list_here(
        &self,
        product: Option<&ProductName>,
    ) -> Result<Vec<BackupView>, BackupsError> {
        self.views(product, &[])
    }

    fn views(
        &self,
        product: Option<&ProductName>,
        snapshots: &[Snapshot],
    ) -> Result<Vec<BackupView>, BackupsError> {
        let notes = Notes::read(self.state)?;
        let wanted = |name: &ProductName| product.is_none_or(|product| product == name);
        let mut views = Vec::new();
        for name in self.config.products.iter().map(|product| &product.name) {
            if !wanted(name) {
                continue;
            }
            for sealed in refit_backup::list(&self.state.join("backups"), name) {
                views.extend(view_of_local(&sealed, &notes, snapshots));
            }
        }
        let known: std::collections::BTreeSet<_> =
            views.iter().filter_map(|view| view.snapshot.clone()).collect();
        let only_kept = snapshots.iter().filter(|s| wanted(&s.product) && !known.contains(&s.id));
        views.extend(only_kept.map(|snapshot| view_of_kept(snapshot, &notes)));
        views.sort_by(|a, b| a.taken_at.cmp(&b.taken_at).then_with(|| a.id.cmp(&b.id)));
        Ok(views)
    }

    /// The backup of that name, by the beginning of its snapshot's identifier, or the newest.
    ///
    /// While the repository cannot be reached, what lies on the host is still found by its whole name: which is the
    /// newest, and what a snapshot's identifier begins, only the repository knows.
    pub(crate) fn find(
        &self,
        product: &ProductName,
        backup: &str,
    ) -> Result<BackupView, BackupsError> {
        let views = match self.list(Some(product)) {
            Ok(views) => views,
            Err(error @ BackupsError::Vault(_)) => {
                let on_host = self.views(Some(product), &[])?;
                let mut view = on_host.into_iter().find(|view| view.id == backup).ok_or(error)?;
                // Whoever reads the repository's copy is told that it is out of reach.
                view.snapshot = Notes::read(self.state)?.kept.remove(backup);
                return Ok(view);
            }
            Err(error) => return Err(error),
        };
        let none =
            || BackupsError::NoBackup { backup: backup.to_owned(), product: product.clone() };
        BackupView::named(views.iter(), backup).cloned().ok_or_else(none)
    }

    /// The backup on the host; fetched from the repository when it lies only there.
    fn at_hand(&self, view: &BackupView) -> Result<Sealed, BackupsError> {
        let store = self.state.join("backups");
        if view.local {
            return Ok(Sealed::open(&store, &view.product, &view.id)?);
        }
        self.say("fetching it from the repository");
        let vault = self.vault()?;
        let id = view.snapshot.as_deref().unwrap_or(&view.id);
        let snapshot = vault.find(self.host, &view.product, id)?;
        let sealed = vault.fetch(&snapshot, &store, &view.id)?;
        Notes::change(self.state, |notes| {
            notes.kept.insert(view.id.clone(), snapshot.id);
        })?;
        Ok(sealed)
    }

    /// Reads a backup back wherever it lies; with `scratch` also restores it into scratch space.
    pub(crate) fn verify(&self, view: &BackupView, scratch: bool) -> Result<String, BackupsError> {
        let mut lines = Vec::new();
        if let Some(snapshot) = &view.snapshot {
            self.say("reading it back in the repository");
            let vault = self.vault()?;
            let snapshot = vault.find(self.host, &view.product, snapshot)?;
            lines.push(format!("{} read back in the repository", vault.verify(&snapshot)?));
        }
        if view.local {
            self.say("reading it back on the host");
            let sealed = Sealed::open(&self.state.join("backups"), &view.product, &view.id)?;
            let read = refit_backup::verify_told(&sealed, Depth::Whole, CHECK_LIMIT, &self.meter)?;
            lines.push(format!("{read} read back on the host"));
        }
        let now = self.clock.now();
        if scratch {
            let sealed = self.at_hand(view)?;
            self.say("restoring it into scratch space");
            let proof = self.with_unit(&view.product, |unit| Ok(unit.prove(&sealed)?))?;
            lines.push(format!("{} of files restored into scratch space", proof.files));
            lines.extend(proof.databases);
        }
        Notes::change(self.state, |notes| {
            notes.verified.insert(view.id.clone(), now);
            if scratch {
                notes.proven.insert(view.id.clone(), now);
            }
        })?;
        Ok(lines.join("; "))
    }

    /// Brings the whole unit back. A crash in its middle is gone on with after the next start.
    pub(crate) fn restore(
        &self,
        view: &BackupView,
        demand: ReleaseDemand,
    ) -> Result<String, BackupsError> {
        let sealed = self.at_hand(view)?;
        let mark = Some((view.product.clone(), view.id.clone()));
        Notes::change(self.state, |notes| {
            notes.restoring = mark;
            notes.restoring_as_it_is = demand == ReleaseDemand::Present;
        })?;
        let done = self.with_unit(&view.product, |unit| {
            Ok(unit.bring_back(&sealed, demand, self.clock.now(), &|what| self.say(what))?)
        });
        // An error that left the product half restored is tried again after the next start; one that refused is over.
        let is_over = match &done {
            Err(BackupsError::Host(error)) => !matches!(
                error,
                StepError::Backup(_) | StepError::Io { .. } | StepError::Service { .. }
            ),
            _ => true,
        };
        if is_over {
            Notes::change(self.state, |notes| notes.restoring = None)?;
        }
        Ok(done?.told(view.taken_at))
    }

    /// Forgets what the retention does not keep; with `dry_run` only says so.
    pub(crate) fn forget(
        &self,
        product: &ProductName,
        retention: &Retention,
        dry_run: bool,
    ) -> Result<Forgotten, BackupsError> {
        let vault = self.vault()?;
        let of = (self.host, product);
        let forgotten = vault.forget(of, retention, self.clock.now(), dry_run)?;
        if !dry_run && !forgotten.gone.is_empty() {
            self.say("giving back the room");
            vault.prune()?;
        }
        Ok(forgotten)
    }
}

fn view_of_local(sealed: &Sealed, notes: &Notes, snapshots: &[Snapshot]) -> Option<BackupView> {
    let id = sealed.folder.file_name()?.to_str()?.to_owned();
    let manifest = &sealed.manifest;
    let kept = snapshots.iter().find(|snapshot| snapshot.manifest == sealed.digest);
    Some(BackupView {
        product: manifest.product.clone(),
        build: manifest.build.clone(),
        taken_at: manifest.taken_at,
        stood_still: manifest.stood_still,
        size: manifest.size(),
        manifest: sealed.digest,
        local: true,
        snapshot: kept.map(|snapshot| snapshot.id.clone()),
        verified_at: notes.verified.get(&id).copied(),
        proven_at: notes.proven.get(&id).copied(),
        id,
    })
}

fn view_of_kept(snapshot: &Snapshot, notes: &Notes) -> BackupView {
    let known = notes.kept.iter().find(|(_, kept)| **kept == snapshot.id).map(|(id, _)| id.clone());
    let id = known.unwrap_or_else(|| format!("kept-{}", snapshot.id.get(..12).unwrap_or("")));
    BackupView {
        product: snapshot.product.clone(),
        build: snapshot.build.clone(),
        taken_at: snapshot.taken_at,
        stood_still: snapshot.stood_still,
        size: snapshot.size,
        manifest: snapshot.manifest,
        local: false,
        snapshot: Some(snapshot.id.clone()),
        verified_at: notes.verified.get(&id).copied(),
        proven_at: notes.proven.get(&id).copied(),
        id,
    }
}
