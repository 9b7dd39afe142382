//! Files and databases of one product at one moment: one unit that is taken, read back and restored whole.
//!
//! Here: the folder of a backup, its manifest, SQLite, PostgreSQL and MariaDB, restore.
//! Deliberately not here: stopping services, deciding when to restore (`host`), old release trees (they stay beside the new one).
//! Called by: host.
//!
//! ```text
//! STATE/backups/PRODUCT/ID/           manifest.json  data/…  databases/NAME.sqlite  databases/NAME.dump
//! STATE/backups/PRODUCT/ID.ahead/     ahead.json  data/…     files saved while the product still ran: no backup, it only saves time
//! STATE/backups/PRODUCT/ID.abandoned-N/   what a restore replaced, in the same shape
//! ```
//!
//! Invariants:
//! 1. A folder without `.partial` is sealed: every byte is durable and stands in the manifest with its hash.
//! 2. A dump is sealed only when its file was read back and is, byte by byte, what was produced, counted and hashed.
//! 3. Restore brings back everything or says why not; there is no partial restore.
//! 4. A file that did not change since an earlier backup is linked from it, never copied; sealed files are never written again.
//! 5. What a restore replaces is sealed beside the backup first.

mod aside;
mod client;
mod error;
mod files;
mod manifest;
mod mariadb;
mod meter;
mod postgres;
mod prove;
mod restore;
mod reuse;
mod save;
mod share;
mod sqlite;
mod take;
mod tool;
mod verify;

pub use aside::{discard, is_aside, set_aside};
pub use client::{ClientCall, client_call};
pub use error::{BackupError, is_full};
pub use files::{clone_or_copy, copy_for_now, measure, sync_folder, sync_volume, tree_digest};
pub use manifest::{Identity, MANIFEST_FORMAT, Manifest, SavedDatabase, SavedNode, SavedPath};
pub use mariadb::TOOLS as MARIADB_TOOLS;
pub use meter::Meter;
pub use postgres::TOOLS as POSTGRES_TOOLS;
pub use prove::{Proof, prove};
pub use restore::{Restored, restore};
pub use take::{Saved, Sealed, adopt, list, prune, save_ahead, take, take_verified};
pub use tool::{RunAs, find_tool};
pub use verify::{Depth, verify, verify_told};

use refit_names::{BuildId, Digest, ProductName, TreePath};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// What belongs together, and where it is.
#[derive(Debug, Clone)]
pub struct UnitPlace {
    /// The product.
    pub product: ProductName,
    /// The build that runs, or ran when the backup was taken.
    pub build: BuildId,
    /// What `build`'s release tree looks like: it is kept by the side-by-side layout and only named here.
    pub release: Digest,
    /// The product's folder.
    pub root: PathBuf,
    /// Folders and files below it.
    pub data: Vec<TreePath>,
    /// Databases by name.
    pub databases: BTreeMap<String, DatabasePlace>,
    /// Whether the product is stopped: then database files may be copied as they lie.
    pub product_is: Quiet,
    /// Database programs run as this user, for logins that go by the user's name.
    pub run_as: Option<RunAs>,
    /// Given to database programs, so that whoever started them finds them again after a crash.
    pub environment: BTreeMap<String, String>,
    /// Longest time for one database program.
    pub limit: Duration,
    /// Counts what is read and written.
    pub meter: Meter,
}

/// Whether somebody may write while a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// The product is stopped.
    Stopped,
    /// The product may write.
    Running,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabasePlace {
    /// A file below the root.
    Sqlite(TreePath),
    /// A connection string.
    Postgres(String),
    /// A connection string, `mysql://…`.
    Mariadb(String),
}
