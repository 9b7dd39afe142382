//! Backups of hosts outside an upgrade: what the server wishes for, and what a host says it has.
//!
//! Level-triggered as all of this protocol: schedules say what ought to be, requests carry a number that is done once.

use jiff::{Timestamp, civil::Weekday};
use refit_journal::Cause;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

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
    fn default() -> Self {
        Self::USUAL
    }
}

impl Retention {
    /// A week of days, a month of weeks, a year of months; and never fewer than the newest three.
    pub const USUAL: Self = Self { last: 3, daily: 7, weekly: 5, monthly: 12, yearly: 0 };
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
        /// Also when the release of its build was changed since.
        #[serde(default)]
        release_as_it_is: bool,
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

/// So many letters of a snapshot's identifier name it: fewer would soon name two.
const SNAPSHOT_LETTERS: usize = 6;

impl BackupView {
    /// The backup of that name, by the beginning of its snapshot's identifier, or the newest for `latest`.
    ///
    /// Shape: `views` oldest first, of one product.
    pub fn named<'a>(
        views: impl DoubleEndedIterator<Item = &'a Self>,
        name: &str,
    ) -> Option<&'a Self> {
        let mut views = views;
        if name == "latest" {
            return views.next_back();
        }
        views.find(|view| {
            let begins = |id: &String| name.len() >= SNAPSHOT_LETTERS && id.starts_with(name);
            view.id == name || view.snapshot.as_ref().is_some_and(begins)
        })
    }

    /// Where it lies, for people.
    #[must_use]
    pub fn place(&self) -> &'static str {
        match (self.local, self.snapshot.is_some()) {
            (true, true) => "host, repository",
            (true, false) => "host",
            (false, _) => "repository",
        }
    }

    /// What makes it count, for people.
    #[must_use]
    pub fn proof(&self) -> String {
        match (self.proven_at, self.verified_at) {
            (Some(at), _) => format!("restored into scratch space {at}"),
            (None, Some(at)) => format!("read back {at}"),
            (None, None) => "never read back".to_owned(),
        }
    }

    /// All of it, a line each, for people.
    #[must_use]
    pub fn sheet(&self) -> String {
        let moment = if self.stood_still { "the product stood still" } else { "the product ran" };
        [
            format!("backup    {}", self.id),
            format!("product   {} build {}", self.product, self.build),
            format!("moment    {}, {moment}", self.taken_at),
            format!("size      {}", self.size),
            format!("manifest  {}", self.manifest),
            format!("on host   {}", if self.local { "yes" } else { "no" }),
            format!("snapshot  {}", self.snapshot.as_deref().unwrap_or("none")),
            format!("proof     {}", self.proof()),
        ]
        .join("\n")
    }
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
    /// Bytes that are done of what it does just now.
    #[serde(default)]
    pub bytes_done: u64,
    /// Of so many, as far as that is known; 0: nothing is counted.
    #[serde(default)]
    pub bytes_total: u64,
}

impl fmt::Display for BackupRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.bytes_total == 0 {
            return Ok(());
        }
        let (done, total) = (ByteSize(self.bytes_done), ByteSize(self.bytes_total));
        let share = self.bytes_done.saturating_mul(100) / self.bytes_total;
        write!(f, ": {done} of {total}, {share} %")
    }
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
