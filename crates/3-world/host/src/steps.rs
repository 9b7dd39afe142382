//! The kinds of steps, one file each with four verbs.

mod backup_ahead;
mod backup_require;
mod backup_take;
mod backup_verify;
mod check_backup_age;
mod check_build;
mod check_clock;
mod check_command;
mod check_disk;
mod check_files_unlocked;
mod check_memory;
mod check_os;
mod check_ports;
mod check_privilege;
mod check_processes_gone;
mod check_reboot_pending;
mod cluster_drain;
mod cluster_resume;
mod database_migrate;
mod evidence_command;
mod evidence_config;
mod evidence_errors;
mod evidence_logs;
mod install_in_place;
mod install_packages;
mod install_remove;
mod install_stage;
mod install_switch;
mod machine_reboot;
mod machine_wait;
mod measure;
mod people;
mod script_run;
mod service_hold;
mod service_release;
mod service_start;
mod service_stop;
mod test;
mod traffic_close;
mod traffic_open;
mod units;
mod waiting;

use crate::{context::Context, error::StepError};
pub(crate) use machine_reboot::is_due as restart_is_due;
pub(crate) use measure::measurement;
use refit_packs::runbook::StepKind;
pub(crate) use service_stop::FORMER;
use std::time::Duration;
use units::Change;

/// What a look before the deed says.
pub(crate) enum Precheck {
    /// The goal is reached; why.
    AlreadyDone(String),
    /// It can begin.
    Ready,
}

/// What undoing did.
pub(crate) enum Undo {
    /// Taken back; a line for people.
    Done(String),
    /// There is nothing to take back; why.
    Nothing {
        /// Why.
        because: String,
    },
}

/// One step: expects something, does something, proves it, takes it back. Each verb done twice does nothing the second time.
pub(crate) trait Deed {
    /// Looks whether it can begin and whether it must.
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError>;
    /// Does it; a line for people.
    fn apply(&self, context: &Context<'_>) -> Result<String, StepError>;
    /// Proves that the goal is reached.
    fn verify(&self, context: &Context<'_>) -> Result<(), StepError>;
    /// Takes it back, also when it was done by half.
    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError>;
}

/// The deed of a kind.
pub(crate) fn deed(kind: &StepKind) -> Box<dyn Deed + '_> {
    if let Some(measurement) = measurement(kind) {
        return Box::new(measure::Measured(measurement));
    }
    match kind {
        StepKind::CheckBuild {} => Box::new(check_build::CheckBuild),
        StepKind::InstallStage {} => Box::new(install_stage::InstallStage),
        StepKind::ScriptRun { run, undo, .. } => {
            Box::new(script_run::ScriptRun { run, undo: undo.as_ref() })
        }
        StepKind::TrafficClose { close, open } => {
            Box::new(traffic_close::TrafficClose { close, open })
        }
        StepKind::TrafficOpen { open } => Box::new(traffic_open::TrafficOpen { open }),
        StepKind::ServiceStop { units } if units.is_empty() => Box::new(service_stop::ServiceStop),
        StepKind::ServiceStart { units, ready } => {
            Box::new(service_start::ServiceStart { units, ready: ready.as_ref() })
        }
        StepKind::ServiceStop { units } => {
            Box::new(units::ChangeUnits { units, change: Change::Stop })
        }
        StepKind::ServiceDisable { units } => {
            Box::new(units::ChangeUnits { units, change: Change::Disable })
        }
        StepKind::ServiceEnable { units } => {
            Box::new(units::ChangeUnits { units, change: Change::Enable })
        }
        StepKind::ServiceHold(terms) => Box::new(service_hold::ServiceHoldOf(terms)),
        StepKind::ServiceRelease {} => Box::new(service_release::ServiceRelease),
        StepKind::ClusterDrain(terms) => Box::new(cluster_drain::ClusterDrainOf(terms)),
        StepKind::ClusterResume {} => Box::new(cluster_resume::ClusterResume),
        StepKind::MachineWait(terms) => Box::new(machine_wait::MachineWaitOf(terms)),
        StepKind::EvidenceLogs(terms) => Box::new(evidence_logs::EvidenceLogsOf(terms)),
        StepKind::EvidenceErrors(terms) => Box::new(evidence_errors::EvidenceErrorsOf(terms)),
        StepKind::EvidenceConfig(terms) => Box::new(evidence_config::EvidenceConfigOf(terms)),
        StepKind::EvidenceCommand { run } => Box::new(evidence_command::EvidenceCommand { run }),
        StepKind::BackupAhead {} => Box::new(backup_ahead::BackupAhead),
        StepKind::BackupTake {} => Box::new(backup_take::BackupTake),
        StepKind::BackupVerify {} => Box::new(backup_verify::BackupVerify),
        StepKind::InstallSwitch {} => Box::new(install_switch::InstallSwitch),
        StepKind::InstallRemove(terms) => Box::new(install_remove::InstallRemove { terms }),
        StepKind::InstallPackages(terms) => Box::new(install_packages::InstallPackages { terms }),
        StepKind::InstallInPlace(terms) => Box::new(install_in_place::InstallInPlace { terms }),
        StepKind::DatabaseMigrate { run } => Box::new(database_migrate::DatabaseMigrate { run }),
        StepKind::MachineReboot { policy, .. } => Box::new(machine_reboot::MachineReboot(*policy)),
        StepKind::Test { name, probe, for_ms } => {
            Box::new(test::Test { name, probe, watch: Duration::from_millis(*for_ms) })
        }
        StepKind::PeopleConfirm(_)
        | StepKind::PeopleFillIn(_)
        | StepKind::PeopleUpload(_)
        | StepKind::EvidenceUpload(_)
        | StepKind::PeopleDecide(_) => Box::new(people::Asks),
        // Replaced kind by kind: a host that cannot do a step says so before it begins.
        other => Box::new(Unable { kind: other.name() }),
    }
}

/// A kind that this agent cannot carry out.
struct Unable {
    kind: &'static str,
}

impl Look for Unable {
    fn look(&self, _: &Context<'_>) -> Result<String, StepError> {
        Err(StepError::Unable { kind: self.kind })
    }
}

/// A step that only looks: there is nothing to prove afterwards and nothing to take back.
pub(crate) trait Look {
    /// Looks once; a line for people.
    fn look(&self, context: &Context<'_>) -> Result<String, StepError>;
}

impl<T: Look> Deed for T {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        self.look(context)
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}

/// What kinds that only look answer to undo.
pub(crate) fn only_looks() -> Undo {
    Undo::Nothing { because: "it only looked".to_owned() }
}
