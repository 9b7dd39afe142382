//! Checks that measure: what was found, what is allowed, what to do. The same measurement serves the step and the preflight.

use super::{
    Look, backup_require::BackupRequireOf, check_backup_age::CheckBackupAgeOf,
    check_clock::CheckClockOf, check_command::CheckCommandOf, check_disk::CheckDisk,
    check_files_unlocked::CheckFilesUnlockedOf, check_memory::CheckMemoryOf, check_os::CheckOsOf,
    check_ports::CheckPortsOf, check_privilege::CheckPrivilegeOf,
    check_processes_gone::CheckProcessesGoneOf, check_reboot_pending::CheckRebootPending,
};
use crate::{
    context::Context,
    error::StepError,
    finding::{Finding, judge},
};
use refit_packs::runbook::StepKind;

/// A check that measures.
pub(crate) trait Measure {
    /// Looks; changes nothing.
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError>;
}

/// The measurement of a kind that has one.
pub(crate) fn measurement(kind: &StepKind) -> Option<Box<dyn Measure + '_>> {
    Some(match kind {
        StepKind::CheckDisk { percent_of_product, extra, volumes } => {
            Box::new(CheckDisk { percent_of_product: *percent_of_product, extra: *extra, volumes })
        }
        StepKind::CheckMemory(terms) => Box::new(CheckMemoryOf(terms)),
        StepKind::CheckPrivilege(terms) => Box::new(CheckPrivilegeOf(terms)),
        StepKind::CheckOs(terms) => Box::new(CheckOsOf(terms)),
        StepKind::CheckClock(terms) => Box::new(CheckClockOf(terms)),
        StepKind::CheckRebootPending {} => Box::new(CheckRebootPending),
        StepKind::CheckBackupAge(terms) => Box::new(CheckBackupAgeOf(terms)),
        StepKind::CheckPorts(terms) => Box::new(CheckPortsOf(terms)),
        StepKind::CheckFilesUnlocked(terms) => Box::new(CheckFilesUnlockedOf(terms)),
        StepKind::CheckProcessesGone(terms) => Box::new(CheckProcessesGoneOf(terms)),
        StepKind::BackupRequire(terms) => Box::new(BackupRequireOf(terms)),
        StepKind::CheckCommand(terms) => Box::new(CheckCommandOf(terms)),
        _ => return None,
    })
}

/// A measurement as a step: it fails when something is not well.
pub(crate) struct Measured<'a>(pub(crate) Box<dyn Measure + 'a>);

impl Look for Measured<'_> {
    fn look(&self, context: &Context<'_>) -> Result<String, StepError> {
        judge(&self.0.measure(context)?)
    }
}
