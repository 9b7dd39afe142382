//! The kinds of steps, one file each with four verbs.

mod backup_ahead;
mod backup_take;
mod backup_verify;
mod check_build;
mod check_command;
mod check_disk;
mod check_processes_gone;
mod database_migrate;
mod evidence_command;
mod evidence_logs;
mod install_stage;
mod install_switch;
mod machine_reboot;
mod script_run;
mod service_hold;
mod service_start;
mod service_stop;
mod test;
mod traffic_close;
mod traffic_open;

use crate::{context::Context, error::StepError};
use refit_packs::runbook::StepKind;

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
    match kind {
        StepKind::CheckDisk { percent_of_product, extra } => Box::new(check_disk::CheckDisk {
            percent_of_product: *percent_of_product,
            extra: *extra,
        }),
        StepKind::CheckBuild {} => Box::new(check_build::CheckBuild),
        StepKind::CheckProcessesGone { wait_ms } => {
            Box::new(check_processes_gone::CheckProcessesGone { wait_ms: *wait_ms })
        }
        StepKind::CheckCommand { run } => Box::new(check_command::CheckCommand { run }),
        StepKind::InstallStage {} => Box::new(install_stage::InstallStage),
        StepKind::ScriptRun { run, undo, .. } => {
            Box::new(script_run::ScriptRun { run, undo: undo.as_ref() })
        }
        StepKind::TrafficClose { close, open } => {
            Box::new(traffic_close::TrafficClose { close, open })
        }
        StepKind::TrafficOpen { open } => Box::new(traffic_open::TrafficOpen { open }),
        StepKind::ServiceStop {} => Box::new(service_stop::ServiceStop),
        StepKind::ServiceStart { ready } => {
            Box::new(service_start::ServiceStart { ready: ready.as_ref() })
        }
        StepKind::ServiceHold { units } => Box::new(service_hold::ServiceHold { units }),
        StepKind::EvidenceLogs { paths } => Box::new(evidence_logs::EvidenceLogs { paths }),
        StepKind::EvidenceCommand { run } => Box::new(evidence_command::EvidenceCommand { run }),
        StepKind::BackupAhead {} => Box::new(backup_ahead::BackupAhead),
        StepKind::BackupTake {} => Box::new(backup_take::BackupTake),
        StepKind::BackupVerify {} => Box::new(backup_verify::BackupVerify),
        StepKind::InstallSwitch {} => Box::new(install_switch::InstallSwitch),
        StepKind::DatabaseMigrate { run } => Box::new(database_migrate::DatabaseMigrate { run }),
        StepKind::MachineReboot { .. } => Box::new(machine_reboot::MachineReboot),
        StepKind::Test { name, probe } => Box::new(test::Test { name, probe }),
    }
}

/// What kinds that only look answer to undo.
pub(crate) fn only_looks() -> Undo {
    Undo::Nothing { because: "it only looked".to_owned() }
}
