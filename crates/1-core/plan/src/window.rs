//! When servers may be changed, and when nothing may, as people state it. What follows from it is for `calendar` to say.

use jiff::{Timestamp, civil};
use refit_names::{ProductName, RoleName, SiteName, TimeClass, WindowName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A time, once or again and again, in which hosts may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name.
    pub name: WindowName,
    /// What people say about it.
    #[serde(default)]
    pub about: String,
    /// The IANA time zone in which its times are meant.
    pub zone: String,
    /// Where the rule counts from and the time of day at which it opens (`DTSTART`).
    pub starts: civil::DateTime,
    /// When it opens again (`RRULE`), `FREQ` daily or coarser; none means once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How long it stays open, in minutes of real time.
    pub minutes: u32,
    /// What kind of time that is.
    pub class: TimeClass,
    /// Local days on which the rule does not open it (`EXDATE`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<civil::Date>,
    /// Local times at which it opens besides the rule (`RDATE`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extra: BTreeSet<civil::DateTime>,
}

/// A time in which nothing in its scope may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// From this moment on.
    pub from: Timestamp,
    /// Until just before this moment.
    pub until: Timestamp,
    /// What it covers.
    #[serde(default)]
    pub scope: Scope,
    /// Why.
    pub reason: String,
}

/// What a freeze covers: what is in all its sets; an empty set means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only these sites.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sites: BTreeSet<SiteName>,
    /// Only hosts of these roles.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<RoleName>,
    /// Only these products.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub products: BTreeSet<ProductName>,
}

impl Scope {
    /// Whether a product on a host of this role at this site is in it.
    #[must_use]
    pub fn covers(&self, site: &SiteName, role: &RoleName, product: &ProductName) -> bool {
        (self.sites.is_empty() || self.sites.contains(site))
            && (self.roles.is_empty() || self.roles.contains(role))
            && (self.products.is_empty() || self.products.contains(product))
    }
}
