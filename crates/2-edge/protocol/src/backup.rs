//! Backups of hosts outside an upgrade: what the server wishes for, and what a host says it has.
//!
//! Level-triggered as all of this protocol: schedules say what ought to be, requests carry a number that is done once.

use jiff::{Timestamp, civil::Weekday};
use refit_journal::Cause;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the server wishes for on one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackupWish {
    /// By product: the host follows it also without the server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<ProductName, BackupSchedule>,
    /// What people asked for and is not done yet, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<BackupRequest>,
}

impl BackupWish {
    /// Whether nothing is wished for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.schedules.is_empty() && self.requests.is_empty()
    }
}

/// When a product is backed up by itself, and how long backups stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSchedule {
    /// The time of day.
    pub at: jiff::civil::Time,
    /// The IANA zone of that time.
    pub zone: String,
    /// Days of the week (`monday`); empty means every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// Whether the product is stopped for the moment that it is saved at.
    #[serde(default)]
    pub quiesce: bool,
    /// After this many days a backup is restored into scratch space and compared; 0: never.
    #[serde(default)]
    pub proof_every_days: u32,
    /// What stays in the repository.
    #[serde(default)]
    pub keep: Retention,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Monday => Self::Monday,
            Day::Tuesday => Self::Tuesday,
            Day::Wednesday => Self::Wednesday,
            Day::Thursday => Self::Thursday,
            Day::Friday => Self::Friday,
            Day::Saturday => Self::Saturday,
            Day::Sunday => Self::Sunday,
        }
    }
}

/// How many backups of a product are kept; each number counts for itself, as in restic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// The newest.
    pub last: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
    /// The newest of each of so many years.
    pub yearly: u32,
}

impl Default for Retention {
    /// A week of days, a month of weeks, a year of months; and never fewer than the newest three.
    fn default() -> Self {
        Self { last: 3, daily: 7, weekly: 5, monthly: 12, yearly: 0 }
    }
}

/// Something that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// Its number: done once, whatever is repeated on the wire.
    pub id: u64,
    /// Of which product.
    pub product: ProductName,
    /// What.
    pub deed: BackupDeed,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BackupDeed {
    /// Take one now.
    Run {
        /// Whether the product is stopped for the moment that it is saved at.
        #[serde(default)]
        quiesce: bool,
    },
    /// Read one back.
    Verify {
        /// Which; `latest` is the newest.
        backup: String,
        /// Restore it into scratch space too, databases included.
        #[serde(default)]
        scratch: bool,
    },
    /// Bring the whole unit back, files and databases together.
    Restore {
        /// Which.
        backup: String,
    },
}

/// What a host says of its backups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackupReport {
    /// What there is, oldest first.
    pub backups: Vec<BackupView>,
    /// What runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<BackupRunning>,
    /// How requests ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<BackupDone>,
    /// Why the last backup by schedule failed, by product; gone when one succeeded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alarms: BTreeMap<ProductName, Cause>,
}

/// One backup of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// Its name on the host.
    pub id: String,
    /// Of which product.
    pub product: ProductName,
    /// Of which build.
    pub build: BuildId,
    /// The moment that it shows.
    pub taken_at: Timestamp,
    /// Whether the product stood still then: files and databases of one moment to the last byte.
    pub stood_still: bool,
    /// Bytes of everything in it.
    pub size: ByteSize,
    /// SHA-256 of its manifest.
    pub manifest: Digest,
    /// Whether it lies on the host itself.
    pub local: bool,
    /// The snapshot in the repository that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// When it was last read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When it was last restored into scratch space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<Timestamp>,
}

/// A backup, verification or restore that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRunning {
    /// Of which product.
    pub product: ProductName,
    /// What it does just now, for people.
    pub what: String,
    /// Since when the whole runs.
    pub since: Timestamp,
    /// When this was true: the heartbeat.
    pub at: Timestamp,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDone {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// The backup that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// What was done, for people.
    #[serde(default)]
    pub note: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}
