//! A runbook: the versioned procedure for hosts of one role.

mod checks;
mod describe;
mod install;
mod keeping;
mod kind;
mod parameters;
mod people;
mod plain;
mod probe;
mod rules;
mod services;

use refit_names::{ParameterName, PersonName, RunbookName, StepId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use checks::{
    CheckBackupAge, CheckClock, CheckCommand, CheckFilesUnlocked, CheckMemory, CheckOs, CheckPorts,
    CheckPrivilege, CheckProcessesGone, EndSignal, FreeSpace,
};
pub use install::{ConfigFiles, FileOwner, InPlace, Packages, Remove};
pub use keeping::{BackupRequire, EvidenceConfig, EvidenceErrors, EvidenceLogs};
pub use kind::StepKind;
pub use parameters::{ParameterProblem, ParametersError, resolve_parameters};
pub use people::{
    AnswerMisfit, AskedRole, Choice, Confirm, Decide, Field, FillIn, Given, Misfit, Question, Then,
    UPLOAD_BYTES_MAX, Upload, WithoutFile, YesOrNo, advice,
};
pub use plain::default_for_plain_service;
pub use probe::{PrintQueueProbe, Probe, ShareProbe, SqlProbe};
pub(crate) use rules::check;
pub use rules::{RUNBOOK_BYTES_MAX, RunbookError, accept, parse, read};
pub use services::{ClusterDrain, HeldByCommands, MachineWait, RebootPolicy, ServiceHold};

/// The value of `format` in a runbook that this code understands.
pub const RUNBOOK_FORMAT: &str = "refit.runbook/1";

/// The versioned procedure for hosts of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// Always [`RUNBOOK_FORMAT`].
    pub format: String,
    /// Its name.
    pub name: RunbookName,
    /// Raised with each change.
    pub version: u32,
    /// Values that differ per host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<ParameterName, Parameter>,
    /// What is done, in this order; phases may not go backwards.
    pub steps: Vec<Step>,
    /// The way back.
    pub rollback: RollbackPlan,
}

impl Runbook {
    /// How it installs in place, if it does.
    #[must_use]
    pub fn in_place(&self) -> Option<&InPlace> {
        self.steps.iter().find_map(|step| match &step.kind {
            StepKind::InstallInPlace(terms) => Some(terms),
            _ => None,
        })
    }

    /// What it removes, if it does.
    #[must_use]
    pub fn removal(&self) -> Option<&Remove> {
        self.steps.iter().find_map(|step| match &step.kind {
            StepKind::InstallRemove(terms) => Some(terms),
            _ => None,
        })
    }
}

/// A declared value that differs per host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What values are allowed.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it is for.
    pub about: String,
    /// The value where a host gives none; absent means that each host must give one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Never printed or logged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// What values a parameter may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// Any text without control characters.
    Text,
    /// A whole number.
    Integer,
    /// A TCP port, 1 to 65535.
    Port,
    /// An absolute path.
    Path,
    /// A URL.
    Url,
}

/// When in the walk a step runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// While the product still runs, days before maybe: part of `prepare`, never a downtime.
    Stage,
    /// Checks and baseline, while the product still runs.
    Before,
    /// From here the product may be down: quiesce and save.
    Protect,
    /// The change itself.
    Install,
    /// Start and prove, before clients are let in again.
    After,
    /// Clients are in; clean up and collect.
    Finish,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in the runbook.
    pub id: StepId,
    /// When it runs.
    pub phase: Phase,
    /// What it does.
    #[serde(rename = "do")]
    pub kind: StepKind,
    /// Whether its failure ends the leg.
    #[serde(default, skip_serializing_if = "Severity::is_mandatory")]
    pub severity: Severity,
    /// Tries beyond the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Longest time for one try, in milliseconds.
    #[serde(default = "default_timeout_ms", skip_serializing_if = "is_default_timeout")]
    pub timeout_ms: u64,
    /// Exit codes with which the step's command is done; 3010 means done, and the machine needs a restart.
    #[serde(default = "default_accept", skip_serializing_if = "is_default_accept")]
    pub accept: BTreeSet<u32>,
    /// A text that the step's answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expects: Option<String>,
    /// What people do when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Whether it runs whatever happened, also when the leg was taken back; it is never taken back itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
}

impl Step {
    /// A mandatory step with the usual limits.
    #[must_use]
    pub fn new(id: StepId, phase: Phase, kind: StepKind) -> Self {
        Self {
            id,
            phase,
            kind,
            severity: Severity::default(),
            retries: 0,
            timeout_ms: default_timeout_ms(),
            accept: default_accept(),
            expects: None,
            remedy: None,
            always: false,
        }
    }
}

/// The exit code of installers for "done, and the machine needs a restart".
pub const EXIT_REBOOT_NEEDED: u32 = 3010;

fn default_accept() -> BTreeSet<u32> {
    BTreeSet::from([0, EXIT_REBOOT_NEEDED])
}
fn is_default_accept(value: &BTreeSet<u32>) -> bool {
    *value == default_accept()
}

/// Ten minutes: longer than a large database dump on slow disks, shorter than any window.
const TIMEOUT_MS_DEFAULT: u64 = 600_000;

fn default_timeout_ms() -> u64 {
    TIMEOUT_MS_DEFAULT
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_default_timeout(value: &u64) -> bool {
    *value == TIMEOUT_MS_DEFAULT
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Whether a step's failure ends the leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Its failure ends the leg and undoes it.
    #[default]
    Mandatory,
    /// Its failure is recorded.
    Advisory,
}

impl Severity {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_mandatory(&self) -> bool {
        *self == Self::Mandatory
    }
}

/// A program and its arguments. No shell stands between; values arrive as environment variables.
///
/// The program is looked up: with a `/` in it, below the new release's folder; without, in `PATH`.
/// Environment: `REFIT_PRODUCT`, `REFIT_ROOT`, `REFIT_RELEASE` (new release's folder), `REFIT_RELEASE_OLD`,
/// `REFIT_FROM`, `REFIT_TO`, and `REFIT_PARAM_NAME` for each parameter (upper case, `-` and `.` as `_`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Command(pub Vec<String>);

/// The environment variable that carries a parameter's value to commands.
#[must_use]
pub fn parameter_variable(name: &ParameterName) -> String {
    let plain = name.as_str().to_ascii_uppercase().replace(['-', '.', '+'], "_");
    format!("REFIT_PARAM_{plain}")
}

/// A literal, or a reference to a parameter: `8080` or `{param: port}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// The value of a parameter.
    Param {
        /// Which one.
        param: ParameterName,
    },
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// The way back: mandatory for every runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackPlan {
    /// How: files and databases of one moment, always together.
    pub method: RollbackMethod,
    /// The symptoms that trigger it.
    pub trigger: String,
    /// The decision falls within this many milliseconds.
    pub deadline_ms: u64,
    /// Who decides.
    pub owner: PersonName,
    /// Whether it was rehearsed, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<String>,
}

/// How a leg is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackMethod {
    /// Switch back to the old release and restore the unit.
    SwitchAndRestore,
}
