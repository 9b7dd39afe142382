//! Terms of the steps that only look.

use super::{Command, Value};
use refit_names::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Space that a step wants free on the volume of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeSpace {
    /// A folder on it: `.` for the product's root, a path below it, or an absolute path.
    pub path: Value,
    /// What must be free there beyond what Refit computes itself.
    pub free: ByteSize,
}

/// Terms of `check.memory`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckMemory {
    /// Memory of the machine.
    #[serde(default)]
    pub total: ByteSize,
    /// Memory that programs can still get without swapping.
    #[serde(default)]
    pub available: ByteSize,
}

/// Terms of `check.privilege`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPrivilege {
    /// `root`, or Linux capabilities such as `cap_net_admin`.
    pub privileges: BTreeSet<String>,
}

/// Terms of `check.os`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOs {
    /// Operating systems (`linux`); empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub os: BTreeSet<String>,
    /// The distribution's own name for itself, with `*` (`Debian*12*`); empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub release: BTreeSet<String>,
    /// Architectures (`x86_64`); empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub arch: BTreeSet<String>,
    /// The running kernel's release, with `*` (`6.1.*`); empty means any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kernel: BTreeSet<String>,
}

/// Terms of `check.clock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckClock {
    /// How far the clock may be off, in milliseconds.
    #[serde(default = "default_skew_ms")]
    pub skew_ms: u64,
    /// A time server that is asked over NTP: a name or address, with `:port` where it is not 123. Absent: what the host's own time
    /// service says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Value>,
}

/// Five seconds: below it logs of several hosts can be read beside each other, and tickets and certificates work.
const fn default_skew_ms() -> u64 {
    5_000
}

/// Terms of `check.backup-age`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckBackupAge {
    /// The newest backup of the product that Refit itself took may be this old, in milliseconds.
    #[serde(default = "default_backup_age_ms")]
    pub within_ms: u64,
}

/// A day: every site takes a backup each night.
pub(super) const fn default_backup_age_ms() -> u64 {
    86_400_000
}

/// Terms of `check.ports`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPorts {
    /// TCP ports of this host on which somebody must listen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listening: Vec<Value>,
    /// TCP ports of this host on which nobody may listen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub free: Vec<Value>,
}

/// Terms of `check.files-unlocked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFilesUnlocked {
    /// Files or folders: below the product's root, or absolute. Empty means the installed release and the product's data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Value>,
    /// How long to wait, in milliseconds.
    #[serde(default = "default_leave_ms")]
    pub wait_ms: u64,
}

/// Terms of `check.processes-gone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckProcessesGone {
    /// How long to wait, in milliseconds.
    #[serde(default = "default_leave_ms")]
    pub wait_ms: u64,
    /// Whether what is still there then is ended: with `signal`, and killed after `end_wait_ms`. Without it nothing is ever killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// How it is asked to end.
    #[serde(default, skip_serializing_if = "EndSignal::is_term")]
    pub signal: EndSignal,
    /// How long it may take to end, in milliseconds.
    #[serde(default = "default_end_wait_ms", skip_serializing_if = "is_default_end_wait")]
    pub end_wait_ms: u64,
}

impl Default for CheckProcessesGone {
    fn default() -> Self {
        let (wait_ms, end_wait_ms) = (default_leave_ms(), default_end_wait_ms());
        Self { wait_ms, end: false, signal: EndSignal::default(), end_wait_ms }
    }
}

/// A minute: services that flush caches need tens of seconds to leave.
const fn default_leave_ms() -> u64 {
    60_000
}
/// Ten seconds, as an init system gives.
const fn default_end_wait_ms() -> u64 {
    10_000
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_default_end_wait(value: &u64) -> bool {
    *value == default_end_wait_ms()
}

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndSignal {
    /// SIGTERM.
    #[default]
    Term,
    /// SIGINT.
    Int,
    /// SIGHUP.
    Hup,
    /// SIGQUIT.
    Quit,
    /// SIGKILL: it cannot clean up.
    Kill,
}

impl EndSignal {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_term(&self) -> bool {
        *self == Self::Term
    }
}

/// Terms of `check.command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckCommand {
    /// The command; it is well when it exits with 0.
    pub run: Command,
    /// The first number that it prints must not be above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
    /// The first number that it prints must not be below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
}
