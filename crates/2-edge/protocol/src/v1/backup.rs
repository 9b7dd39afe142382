//! Backups of hosts, for people.

use crate::backup::{BackupDeed, BackupReport, BackupSchedule};
use jiff::Timestamp;
use refit_names::{HostName, PersonName, ProductName, RoleName, SiteName};
use serde::{Deserialize, Serialize};

/// What a host said last of its backups, and what it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostBackups {
    /// The host.
    pub host: HostName,
    /// When it said so; none when it never did.
    pub said_at: Option<Timestamp>,
    /// Whether its agent was heard of lately.
    pub reachable: bool,
    /// What it said.
    pub report: BackupReport,
    /// What is open.
    pub requests: Vec<BackupRequestView>,
    /// What is wrong: no backup within two days of a schedule, one that failed, one never read back.
    pub alarms: Vec<String>,
}

/// Asks a host for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBackupRequest {
    /// Of which product.
    pub product: ProductName,
    /// What.
    pub deed: BackupDeed,
}

/// Something that a host is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequestView {
    /// Its number.
    pub id: u64,
    /// Which host.
    pub host: HostName,
    /// Of which product.
    pub product: ProductName,
    /// What.
    pub deed: BackupDeed,
    /// Who asked.
    pub asked_by: PersonName,
    /// When.
    pub asked_at: Timestamp,
}

/// A schedule with the hosts that it is for; the narrowest one wins, and of two equally narrow ones the first by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupScheduleView {
    /// Its name.
    pub name: String,
    /// Of which product.
    pub product: ProductName,
    /// Only this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Only hosts of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Only hosts of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// When.
    pub schedule: BackupSchedule,
}

impl BackupScheduleView {
    /// How narrow it is: a host beats a role and a site together, they beat one of them, that beats none.
    #[must_use]
    pub fn narrowness(&self) -> u8 {
        4 * u8::from(self.host.is_some())
            + 2 * u8::from(self.role.is_some())
            + u8::from(self.site.is_some())
    }
}
