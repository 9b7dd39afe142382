//! A runbook: the versioned procedure for hosts of one role.

mod parameters;
mod plain;
mod rules;

use refit_names::{ByteSize, ParameterName, PersonName, RunbookName, StepId, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use parameters::{ParameterProblem, ParametersError, resolve_parameters};
pub use plain::default_for_plain_service;
pub(crate) use rules::check;
pub use rules::{RUNBOOK_BYTES_MAX, RunbookError, accept, parse, read};

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

/// What a step does. Each kind is one file in the host engine, with `check`, `apply`, `verify` and `undo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum StepKind {
    /// Free space on the product's volume: `factor` per cent of the product's folder, plus the pack's own need.
    #[serde(rename = "check.disk")]
    CheckDisk {
        /// Per cent of the product's folder that must be free.
        #[serde(default = "default_disk_percent")]
        percent_of_product: u32,
        /// Bytes that must be free beyond that.
        #[serde(default)]
        extra: ByteSize,
    },
    /// The installed build is the one that the leg starts from; after `install.switch`: the one that it leads to.
    #[serde(rename = "check.build")]
    CheckBuild {},
    /// No process runs from the product's folder any more; waits, then names pid, command and user. Never kills.
    #[serde(rename = "check.processes-gone")]
    CheckProcessesGone {
        /// How long to wait, in milliseconds.
        #[serde(default = "default_processes_wait_ms")]
        wait_ms: u64,
    },
    /// A command that exits 0 when all is well.
    #[serde(rename = "check.command")]
    CheckCommand {
        /// The command.
        run: Command,
    },
    /// Puts the new release's tree beside the old one, from verified content.
    #[serde(rename = "install.stage")]
    InstallStage {},
    /// Runs a command in the staged release's folder (make a virtual environment, compile a cache).
    #[serde(rename = "script.run")]
    ScriptRun {
        /// The command.
        run: Command,
        /// The command that takes it back; absent: what it did lies inside the release's folder or the unit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Command>,
        /// Whether it may be run again after a crash in its middle.
        #[serde(default)]
        repeatable: bool,
    },
    /// Asks the product to take no more writes (a command); undone by the `open` command.
    #[serde(rename = "traffic.close")]
    TrafficClose {
        /// Closes.
        close: Command,
        /// Opens again.
        open: Command,
    },
    /// Lets clients in again. The point of no return: from its intent on, the leg goes forward only.
    #[serde(rename = "traffic.open")]
    TrafficOpen {
        /// Opens.
        open: Command,
    },
    /// Stops the product's services and proves that they are stopped.
    #[serde(rename = "service.stop")]
    ServiceStop {},
    /// Starts the product's services and waits until they are ready.
    #[serde(rename = "service.start")]
    ServiceStart {
        /// How to see that they are ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready: Option<Probe>,
    },
    /// Stops and disables other services; restores exactly their former state when the leg ends, however it ends.
    #[serde(rename = "service.hold")]
    ServiceHold {
        /// systemd units.
        units: Vec<String>,
    },
    /// Saves the product's logs and, with systemd, the journal of its units since boot.
    #[serde(rename = "evidence.logs")]
    EvidenceLogs {
        /// Files or folders below the product's root.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<TreePath>,
    },
    /// Runs a command and keeps its output.
    #[serde(rename = "evidence.command")]
    EvidenceCommand {
        /// The command.
        run: Command,
    },
    /// Saves the unit's files while the product still runs, so that `backup.take` only copies what changed since.
    #[serde(rename = "backup.ahead")]
    BackupAhead {},
    /// Saves files and databases as one unit; undone never (it is what undo needs).
    #[serde(rename = "backup.take")]
    BackupTake {},
    /// Reads the unit back and compares it with its manifest.
    #[serde(rename = "backup.verify")]
    BackupVerify {},
    /// Exchanges the `current` link.
    #[serde(rename = "install.switch")]
    InstallSwitch {},
    /// Changes the databases for the new build. Not repeated after a crash: the unit is restored instead.
    #[serde(rename = "database.migrate")]
    DatabaseMigrate {
        /// The command.
        run: Command,
    },
    /// Restarts the machine and goes on afterwards.
    #[serde(rename = "machine.reboot")]
    MachineReboot {
        /// Longest time until the agent is back, in milliseconds.
        #[serde(default = "default_reboot_ms")]
        within_ms: u64,
    },
    /// A client test. Tests of the same name in `before` and `after` are compared.
    #[serde(rename = "test")]
    Test {
        /// The name that pairs it with its twin.
        name: StepId,
        /// What is tried.
        probe: Probe,
    },
}

fn default_disk_percent() -> u32 {
    150
}
/// A minute: services that flush caches need tens of seconds to leave.
fn default_processes_wait_ms() -> u64 {
    60_000
}
/// Fifteen minutes, as cluster-aware updating has it: real servers check memory at start.
fn default_reboot_ms() -> u64 {
    900_000
}

impl StepKind {
    /// The kind's name as it stands in runbooks.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CheckDisk { .. } => "check.disk",
            Self::CheckBuild {} => "check.build",
            Self::CheckProcessesGone { .. } => "check.processes-gone",
            Self::CheckCommand { .. } => "check.command",
            Self::InstallStage {} => "install.stage",
            Self::ScriptRun { .. } => "script.run",
            Self::TrafficClose { .. } => "traffic.close",
            Self::TrafficOpen { .. } => "traffic.open",
            Self::ServiceStop {} => "service.stop",
            Self::ServiceStart { .. } => "service.start",
            Self::ServiceHold { .. } => "service.hold",
            Self::EvidenceLogs { .. } => "evidence.logs",
            Self::EvidenceCommand { .. } => "evidence.command",
            Self::BackupAhead {} => "backup.ahead",
            Self::BackupTake {} => "backup.take",
            Self::BackupVerify {} => "backup.verify",
            Self::InstallSwitch {} => "install.switch",
            Self::DatabaseMigrate { .. } => "database.migrate",
            Self::MachineReboot { .. } => "machine.reboot",
            Self::Test { .. } => "test",
        }
    }
}

/// One look at a service from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Probe {
    /// Something accepts connections.
    Tcp {
        /// Its port.
        port: Value,
        /// Its host; absent means loopback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Value>,
    },
    /// A GET answers as expected.
    Http {
        /// The port.
        port: Value,
        /// The host; absent means loopback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Value>,
        /// The path with its query.
        path: String,
        /// The expected status.
        #[serde(default = "default_status")]
        status: u16,
        /// A text that the body must have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contains: Option<String>,
    },
    /// A command exits 0.
    Command {
        /// The command.
        run: Command,
    },
}

fn default_status() -> u16 {
    200
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
