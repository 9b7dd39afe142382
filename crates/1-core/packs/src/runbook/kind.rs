//! The kinds of steps.

use super::{
    BackupRequire, CheckBackupAge, CheckClock, CheckCommand, CheckFilesUnlocked, CheckMemory,
    CheckOs, CheckPorts, CheckPrivilege, CheckProcessesGone, ClusterDrain, Command, Confirm,
    Decide, EvidenceConfig, EvidenceErrors, EvidenceLogs, FillIn, FreeSpace, InPlace, MachineWait,
    Packages, Probe, RebootPolicy, Remove, ServiceHold, Upload, Value,
};
use refit_names::{ByteSize, StepId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a step does. Each kind is one file in the host engine, with `check`, `apply`, `verify` and `undo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum StepKind {
    /// Free space on every volume, added up and shown: a share of the product's folder, what the pack needs, one backup, what is asked for here.
    #[serde(rename = "check.disk")]
    CheckDisk {
        /// Per cent of the product's folder that must be free.
        #[serde(default = "default_disk_percent")]
        percent_of_product: u32,
        /// Bytes that must be free beyond that.
        #[serde(default)]
        extra: ByteSize,
        /// What other volumes must have free.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        volumes: Vec<FreeSpace>,
    },
    /// Memory of the machine.
    #[serde(rename = "check.memory")]
    CheckMemory(CheckMemory),
    /// What the agent may do.
    #[serde(rename = "check.privilege")]
    CheckPrivilege(CheckPrivilege),
    /// Operating system, its release, architecture and kernel.
    #[serde(rename = "check.os")]
    CheckOs(CheckOs),
    /// How far the host's clock is off.
    #[serde(rename = "check.clock")]
    CheckClock(CheckClock),
    /// No restart of the machine is pending from an earlier change.
    #[serde(rename = "check.reboot-pending")]
    CheckRebootPending {},
    /// Refit's newest backup of the product is young enough, whole in what it covers, and of the installed build.
    #[serde(rename = "check.backup-age")]
    CheckBackupAge(CheckBackupAge),
    /// Somebody listens on ports, nobody on others; who does is named.
    #[serde(rename = "check.ports")]
    CheckPorts(CheckPorts),
    /// Nobody holds files; waits, then names who does.
    #[serde(rename = "check.files-unlocked")]
    CheckFilesUnlocked(CheckFilesUnlocked),
    /// The installed build is the one that the leg starts from; after `install.switch`: the one that it leads to.
    #[serde(rename = "check.build")]
    CheckBuild {},
    /// No process runs from the product's folder any more; waits, then names pid, command and user.
    #[serde(rename = "check.processes-gone")]
    CheckProcessesGone(CheckProcessesGone),
    /// A command that exits 0 when all is well.
    #[serde(rename = "check.command")]
    CheckCommand(CheckCommand),
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
    /// Stops the product's services, or the named units, and proves that they are stopped.
    #[serde(rename = "service.stop")]
    ServiceStop {
        /// systemd units; empty means the product's own services.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        units: Vec<String>,
    },
    /// Starts the product's services, or the named units, and waits until they are ready.
    #[serde(rename = "service.start")]
    ServiceStart {
        /// systemd units; empty means the product's own services.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        units: Vec<String>,
        /// How to see that they are ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready: Option<Probe>,
    },
    /// Stops and disables other services; restores exactly their former state when the leg ends, however it ends.
    #[serde(rename = "service.hold")]
    ServiceHold(ServiceHold),
    /// Brings back what `service.hold` holds already now, so that tests after it see the machine as users will.
    #[serde(rename = "service.release")]
    ServiceRelease {},
    /// Keeps a boot from starting units.
    #[serde(rename = "service.disable")]
    ServiceDisable {
        /// systemd units.
        units: Vec<String>,
    },
    /// Lets a boot start units.
    #[serde(rename = "service.enable")]
    ServiceEnable {
        /// systemd units.
        units: Vec<String>,
    },
    /// Saves the product's logs and, with systemd, the journal of its units since boot.
    #[serde(rename = "evidence.logs")]
    EvidenceLogs(EvidenceLogs),
    /// Counts errors in journal and log files, and compares with the first look of the same name.
    #[serde(rename = "evidence.errors")]
    EvidenceErrors(EvidenceErrors),
    /// Copies configuration, and shows what changed since the first look of the same name.
    #[serde(rename = "evidence.config")]
    EvidenceConfig(EvidenceConfig),
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
    /// A backup that others take is young enough and holds what it must.
    #[serde(rename = "backup.require")]
    BackupRequire(BackupRequire),
    /// Exchanges the `current` link.
    #[serde(rename = "install.switch")]
    InstallSwitch {},
    /// Exchanges, file by file, what differs in the folder that the product lives in; what it replaces is kept for undo.
    #[serde(rename = "install.in-place")]
    InstallInPlace(InPlace),
    /// Installs the Debian packages that the pack carries, without a network; what it changes is kept for undo.
    #[serde(rename = "install.packages")]
    InstallPackages(Packages),
    /// Puts back what the last pack replaced. Written by the host itself, for the removal of a pack.
    #[serde(rename = "install.remove")]
    InstallRemove(Remove),
    /// Changes the databases for the new build. Not repeated after a crash: the unit is restored instead.
    #[serde(rename = "database.migrate")]
    DatabaseMigrate {
        /// The command.
        run: Command,
    },
    /// Restarts the machine and goes on afterwards.
    #[serde(rename = "machine.reboot")]
    MachineReboot {
        /// When it restarts.
        #[serde(default, skip_serializing_if = "RebootPolicy::is_always")]
        policy: RebootPolicy,
        /// Longest time until the agent is back, in milliseconds.
        #[serde(default = "default_reboot_ms")]
        within_ms: u64,
    },
    /// Waits, for a time or until something is seen.
    #[serde(rename = "machine.wait")]
    MachineWait(MachineWait),
    /// Takes the node out of its cluster's service; put back when the leg ends, however it ends.
    #[serde(rename = "cluster.drain")]
    ClusterDrain(Box<ClusterDrain>),
    /// Puts the node back into its cluster's service, with the command of `cluster.drain`.
    #[serde(rename = "cluster.resume")]
    ClusterResume {},
    /// A client test. Tests of the same name in `before` and `after` are compared.
    #[serde(rename = "test")]
    Test {
        /// The name that pairs it with its twin.
        name: StepId,
        /// What is tried.
        probe: Probe,
        /// The watch period in milliseconds: the test must succeed at every look for that long, and the product's service run on.
        #[serde(default, skip_serializing_if = "is_zero")]
        for_ms: u64,
    },
    /// Asks people for a yes.
    #[serde(rename = "people.confirm")]
    PeopleConfirm(Confirm),
    /// Asks people for values.
    #[serde(rename = "people.fill-in")]
    PeopleFillIn(FillIn),
    /// Asks people for a file.
    #[serde(rename = "people.upload")]
    PeopleUpload(Upload),
    /// Asks people for a file: the same under the name of its group.
    #[serde(rename = "evidence.upload")]
    EvidenceUpload(Upload),
    /// Asks people how to go on.
    #[serde(rename = "people.decide")]
    PeopleDecide(Decide),
}

pub(super) const fn default_disk_percent() -> u32 {
    150
}
/// Fifteen minutes, as cluster-aware updating has it: real servers check memory at start.
const fn default_reboot_ms() -> u64 {
    900_000
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl StepKind {
    /// The kind's name as it stands in runbooks.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CheckDisk { .. } => "check.disk",
            Self::CheckBuild {} => "check.build",
            Self::CheckProcessesGone(_) => "check.processes-gone",
            Self::CheckCommand(_) => "check.command",
            Self::CheckMemory(_) => "check.memory",
            Self::CheckPrivilege(_) => "check.privilege",
            Self::CheckOs(_) => "check.os",
            Self::CheckClock(_) => "check.clock",
            Self::CheckRebootPending {} => "check.reboot-pending",
            Self::CheckBackupAge(_) => "check.backup-age",
            Self::CheckPorts(_) => "check.ports",
            Self::CheckFilesUnlocked(_) => "check.files-unlocked",
            Self::InstallStage {} => "install.stage",
            Self::ScriptRun { .. } => "script.run",
            Self::TrafficClose { .. } => "traffic.close",
            Self::TrafficOpen { .. } => "traffic.open",
            Self::ServiceStop { .. } => "service.stop",
            Self::ServiceStart { .. } => "service.start",
            Self::ServiceHold(_) => "service.hold",
            Self::ServiceRelease {} => "service.release",
            Self::ServiceDisable { .. } => "service.disable",
            Self::ServiceEnable { .. } => "service.enable",
            Self::EvidenceLogs(_) => "evidence.logs",
            Self::EvidenceErrors(_) => "evidence.errors",
            Self::EvidenceConfig(_) => "evidence.config",
            Self::EvidenceCommand { .. } => "evidence.command",
            Self::BackupAhead {} => "backup.ahead",
            Self::BackupTake {} => "backup.take",
            Self::BackupVerify {} => "backup.verify",
            Self::BackupRequire(_) => "backup.require",
            Self::InstallSwitch {} => "install.switch",
            Self::InstallInPlace(_) => "install.in-place",
            Self::InstallPackages(_) => "install.packages",
            Self::InstallRemove(_) => "install.remove",
            Self::DatabaseMigrate { .. } => "database.migrate",
            Self::MachineReboot { .. } => "machine.reboot",
            Self::MachineWait(_) => "machine.wait",
            Self::ClusterDrain(_) => "cluster.drain",
            Self::ClusterResume {} => "cluster.resume",
            Self::Test { .. } => "test",
            Self::PeopleConfirm(_) => "people.confirm",
            Self::PeopleFillIn(_) => "people.fill-in",
            Self::PeopleUpload(_) => "people.upload",
            Self::EvidenceUpload(_) => "evidence.upload",
            Self::PeopleDecide(_) => "people.decide",
        }
    }
}

/// What stands in a step, whatever its kind.
impl StepKind {
    /// Every command.
    #[must_use]
    pub fn commands(&self) -> Vec<&Command> {
        match self {
            Self::CheckCommand(CheckCommand { run, .. })
            | Self::EvidenceCommand { run }
            | Self::DatabaseMigrate { run }
            | Self::BackupRequire(BackupRequire { run, .. })
            | Self::TrafficOpen { open: run } => vec![run],
            Self::ScriptRun { run, undo, .. } => std::iter::once(run).chain(undo).collect(),
            Self::TrafficClose { close, open } => vec![close, open],
            Self::ClusterDrain(terms) => vec![&terms.drain, &terms.resume],
            Self::ServiceHold(terms) => {
                let all = terms.commands.values();
                all.flat_map(|held| [&held.start, &held.stop, &held.status]).collect()
            }
            Self::EvidenceConfig(terms) => terms.commands.values().collect(),
            _ => vec![],
        }
    }

    /// Whether the step puts the new build in the place of the old one.
    #[must_use]
    pub const fn exchanges(&self) -> bool {
        matches!(
            self,
            Self::InstallSwitch {}
                | Self::InstallInPlace(_)
                | Self::InstallPackages(_)
                | Self::InstallRemove(_)
        )
    }

    /// Every probe.
    #[must_use]
    pub fn probes(&self) -> Vec<&Probe> {
        match self {
            Self::ServiceStart { ready, .. } => ready.iter().collect(),
            Self::Test { probe, .. } => vec![probe],
            Self::MachineWait(terms) => terms.until.iter().collect(),
            Self::ClusterDrain(terms) => {
                std::iter::once(&terms.drained).chain(&terms.resumed).collect()
            }
            _ => vec![],
        }
    }

    /// Every value outside of probes that can come from a parameter.
    #[must_use]
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::CheckDisk { volumes, .. } => volumes.iter().map(|volume| &volume.path).collect(),
            Self::CheckClock(terms) => terms.server.iter().collect(),
            Self::CheckPorts(terms) => terms.listening.iter().chain(&terms.free).collect(),
            Self::CheckFilesUnlocked(terms) => terms.paths.iter().collect(),
            Self::InstallInPlace(terms) => vec![&terms.into],
            Self::InstallRemove(terms) => terms.in_place.iter().map(|own| &own.into).collect(),
            Self::InstallPackages(terms) => terms.also.iter().collect(),
            Self::EvidenceLogs(EvidenceLogs { files, .. })
            | Self::EvidenceErrors(EvidenceErrors { files, .. })
            | Self::EvidenceConfig(EvidenceConfig { files, .. }) => files.iter().collect(),
            _ => vec![],
        }
    }

    /// Every systemd unit.
    #[must_use]
    pub fn units(&self) -> &[String] {
        match self {
            Self::ServiceStop { units }
            | Self::ServiceStart { units, .. }
            | Self::ServiceDisable { units }
            | Self::ServiceEnable { units }
            | Self::ServiceHold(ServiceHold { units, .. })
            | Self::EvidenceLogs(EvidenceLogs { units, .. })
            | Self::EvidenceErrors(EvidenceErrors { units, .. }) => units,
            _ => &[],
        }
    }
}
