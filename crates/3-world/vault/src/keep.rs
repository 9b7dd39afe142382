//! Keeping a sealed backup.

use crate::{
    error::{VaultError, guarded},
    lock::Lock,
    vault::{MARK, STILL, Snapshot, Vault, describe},
};
use jiff::tz::TimeZone;
use refit_backup::{Depth, Saved, Sealed};
use refit_names::HostName;
use rustic_core::{
    BackupOptions, ParentOptions, PathList, SnapshotOptions, repofile::SnapshotFile,
};
use std::path::PathBuf;

/// What keeping did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Files that were new or changed since the snapshot before.
    pub files_read: u64,
}

impl Vault {
    /// Keeps a sealed backup. It is read back before it counts: what was copied for this backup byte by byte, what was
    /// there before by its name and length.
    ///
    /// # Errors
    /// [`VaultError`]; the repository then has no snapshot of it.
    pub fn keep(&self, host: &HostName, sealed: &Sealed) -> Result<Kept, VaultError> {
        let _lock = Lock::take(&self.target)?;
        // All of it is looked at, and what is new is read back.
        let size = Saved::of(&sealed.manifest);
        self.meter.expect(size.all.0 + size.copied.0);
        let write = || self.write(host, sealed);
        let written = guarded("write a snapshot", &self.target, write)?;
        self.proven(sealed, written)
    }

    fn write(&self, host: &HostName, sealed: &Sealed) -> Result<SnapshotFile, VaultError> {
        let failed = |what| VaultError::repository(what, &self.target);
        let repository = self.repository()?.to_indexed_ids().map_err(failed("read the index"))?;
        let source = PathList::from_string(&sealed.folder.display().to_string());
        let source = source.map_err(failed("find the backup"))?;
        // The same path for all backups of a product: that is how the one before is found. Sealed files are never
        // written again, but linking changes their change time.
        let parent = ParentOptions::default().ignore_ctime(true);
        let options = BackupOptions::default()
            .as_path(PathBuf::from(format!("/{}", sealed.manifest.product)))
            .parent_opts(parent)
            .no_scan(true);
        let snapshot = prepared(host, sealed).map_err(failed("describe the snapshot"))?;
        let written = repository.backup(&options, &source, snapshot);
        written.map_err(failed("write the snapshot"))
    }

    /// A snapshot that is not what it should be is taken away again.
    fn proven(&self, sealed: &Sealed, written: SnapshotFile) -> Result<Kept, VaultError> {
        let id = written.id;
        let files_read =
            written.summary.as_ref().map_or(0, |summary| summary.files_new + summary.files_changed);
        let settled = self.target.settle();
        let proven = settled.and_then(|()| self.read_back(&written, Some(sealed), Depth::Fresh));
        match (proven, describe(&written)) {
            (Ok(_), Some(snapshot)) => Ok(Kept { snapshot, files_read }),
            (Ok(_), None) => Err(VaultError::NoSnapshot {
                place: self.target.name(),
                snapshot: id.to_hex().as_str().to_owned(),
                host: written.hostname,
            }),
            (Err(error), _) => {
                // The cause is worth more than what became of the snapshot.
                let _ = self.repository().map(|repository| repository.delete_snapshots(&[id]));
                Err(error)
            }
        }
    }
}

fn prepared(
    host: &HostName,
    sealed: &Sealed,
) -> Result<SnapshotFile, Box<rustic_core::RusticError>> {
    let manifest = &sealed.manifest;
    let still = if manifest.stood_still { format!(",{STILL}") } else { String::new() };
    let tags = format!(
        "{MARK}{still},product={},build={},manifest={}",
        manifest.product, manifest.build, sealed.digest
    );
    let mut options = SnapshotOptions::default().add_tags(&tags)?;
    options.host = Some(host.to_string());
    options.label = Some(manifest.product.to_string());
    options.time = Some(manifest.taken_at.to_zoned(TimeZone::UTC));
    options.command = Some(MARK.to_owned());
    options.to_snapshot()
}
