//! Windows, freezes and calendar feeds on the wire.

use jiff::Timestamp;
use refit_names::{HostName, PersonName, ProductName, RoleName, RolloutName, SiteName, WindowName};
use refit_plan::{Freeze, Opening, Window};
use serde::{Deserialize, Serialize};

/// Openings that one answer may hold.
pub const OPENINGS_MAX: u32 = 1000;

/// Windows to be kept; all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsPut {
    /// New ones, and with [`Existing::Replace`] changed ones.
    pub windows: Vec<Window>,
    /// What becomes of windows that are there already.
    #[serde(default)]
    pub existing: Existing,
    /// Only judged, not kept.
    #[serde(default)]
    pub dry_run: bool,
}

/// What becomes of windows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// They are a fault, unless nothing in them changes.
    #[default]
    Refuse,
    /// They are replaced.
    Replace,
}

/// What was done with windows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WindowsChanged {
    /// New ones.
    pub added: Vec<WindowName>,
    /// Changed ones.
    pub replaced: Vec<WindowName>,
    /// Same as before.
    pub unchanged: Vec<WindowName>,
}

/// A window with what follows from it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowView {
    /// What people stated.
    pub window: Window,
    /// Whether it is open, freezes of everything counted.
    pub open: Option<Opening>,
    /// When it opens next.
    pub next: Option<Opening>,
    /// Hosts that may be changed in it.
    pub hosts: u64,
}

/// Which openings are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningsQuery {
    /// From when on; absent: now.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// How many at most; absent: 5.
    #[serde(default)]
    pub count: Option<u32>,
    /// Counts freezes of what stands here; absent: only freezes of everything.
    #[serde(default)]
    pub site: Option<SiteName>,
    /// Counts freezes of this role.
    #[serde(default)]
    pub role: Option<RoleName>,
    /// Counts freezes of this product.
    #[serde(default)]
    pub product: Option<ProductName>,
}

/// Whether a window is open at a moment, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningsView {
    /// The window.
    pub window: WindowName,
    /// Its zone.
    pub zone: String,
    /// The moment asked about.
    pub at: Timestamp,
    /// The opening that is open then.
    pub open: Option<Opening>,
    /// The openings that begin after it, in order.
    pub next: Vec<Opening>,
    /// The freeze that keeps it closed then, if the window itself would be open.
    pub frozen_by: Option<Freeze>,
}

/// A calendar feed to be made; its address is a secret that calendar programs can hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFeed {
    /// What it shows.
    #[serde(default)]
    pub of: FeedQuery,
    /// What people say about it.
    #[serde(default)]
    pub about: String,
}

/// What a feed shows: windows and freezes, or the hosts of plans.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// Hosts of current plans that this person changes or stands by for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonName>,
    /// Hosts of this rollout's current plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutName>,
}

/// A feed that was made; its secret is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCreated {
    /// To revoke it by.
    pub id: String,
    /// Path and query on this server, with the secret in it.
    pub path: String,
}

/// A feed without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedView {
    /// To revoke it by.
    pub id: String,
    /// What it shows.
    pub of: FeedQuery,
    /// What people say about it.
    pub about: String,
    /// Who made it.
    pub made_by: PersonName,
    /// When.
    pub made_at: Timestamp,
}

/// What was removed, and which hosts named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its name.
    pub name: String,
    /// Hosts that named it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
}
