//! Terms of the steps that keep evidence and prove backups.

use super::{Command, Value, checks::default_backup_age_ms};
use refit_names::{StepId, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Terms of `evidence.logs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceLogs {
    /// Files or folders below the product's root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<TreePath>,
    /// Files of the host by their absolute path, with `*` and `?` (`/var/log/samba/*.log`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Value>,
    /// More systemd units whose journal is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Whether the whole journal of the system is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// Whether the log files, and with `system` the journal, are emptied once they are kept whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clear: bool,
}

/// Terms of `evidence.errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceErrors {
    /// The name that pairs looks: the first of a name is what later ones are compared with.
    pub name: StepId,
    /// Whether error messages of the system journal are counted.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub system: bool,
    /// Only of these systemd units; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Log files: below the product's root or absolute, with `*` and `?`. Lines with one of `words` are counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Value>,
    /// What makes a line of a file an error, in any case of letters.
    #[serde(default = "default_words", skip_serializing_if = "is_default_words")]
    pub words: BTreeSet<String>,
    /// How far the first look goes back, and later ones at most, in milliseconds.
    #[serde(default = "default_period_ms", skip_serializing_if = "is_default_period")]
    pub period_ms: u64,
    /// So many more errors than before are let pass.
    #[serde(default)]
    pub allow: u64,
}

const fn yes() -> bool {
    true
}
fn default_words() -> BTreeSet<String> {
    ["error", "fatal", "panic", "critical"].map(str::to_owned).into()
}
fn is_default_words(words: &BTreeSet<String>) -> bool {
    *words == default_words()
}
/// An hour: what a person scrolls through before touching a server.
const fn default_period_ms() -> u64 {
    3_600_000
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_default_period(value: &u64) -> bool {
    *value == default_period_ms()
}

/// Terms of `evidence.config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceConfig {
    /// The name that pairs looks: the first of a name is what later ones are compared with.
    pub name: StepId,
    /// Files or folders: below the product's root or absolute, with `*` and `?`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Value>,
    /// Commands whose output is kept (shares, network, printers), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<StepId, Command>,
    /// Whether a change is a failure; otherwise it is shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

/// Terms of `backup.require`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequire {
    /// Proves a backup that others take: prints a time (`2026-01-02T03:04:05Z`), or JSON with `taken_at` and `covers`.
    pub run: Command,
    /// It may be this old, in milliseconds.
    #[serde(default = "default_backup_age_ms")]
    pub within_ms: u64,
    /// What it must hold, in the words of the proof.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub covers: BTreeSet<String>,
}
