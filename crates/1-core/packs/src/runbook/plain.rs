//! The procedure for a plain service whose pack brings none.

use super::{
    CheckProcessesGone, Phase, RUNBOOK_FORMAT, RollbackMethod, RollbackPlan, Runbook, Step,
    StepKind, kind::default_disk_percent,
};
use refit_names::{ByteSize, NameError, PersonName, RunbookName, StepId};
use std::collections::BTreeMap;

/// Five minutes: a person who watches decides within it, and it fits in every window.
const DECISION_MS: u64 = 300_000;

/// The steps of a service with files and databases of its own and nothing special: stop, save, switch, start, look.
///
/// The installed build is checked after staging, not before: a second leg is staged while the first build still runs.
///
/// # Panics
/// Never: the names in it are literals, and a test reads them.
#[must_use]
pub fn default_for_plain_service() -> Runbook {
    plain_service().expect("the names of the default runbook are valid literals")
}

fn plain_service() -> Result<Runbook, NameError> {
    let step = |id: &str, phase, kind| Ok(Step::new(StepId::parse(id)?, phase, kind));
    let disk = StepKind::CheckDisk {
        percent_of_product: default_disk_percent(),
        extra: ByteSize(0),
        volumes: vec![],
    };
    let gone = StepKind::CheckProcessesGone(CheckProcessesGone::default());
    Ok(Runbook {
        format: RUNBOOK_FORMAT.to_owned(),
        name: RunbookName::parse("plain-service")?,
        version: 1,
        parameters: BTreeMap::new(),
        steps: vec![
            step("disk", Phase::Stage, disk)?,
            step("stage", Phase::Stage, StepKind::InstallStage {})?,
            step("build-before", Phase::Before, StepKind::CheckBuild {})?,
            step("backup-ahead", Phase::Before, StepKind::BackupAhead {})?,
            step("stop", Phase::Protect, StepKind::ServiceStop { units: vec![] })?,
            step("processes-gone", Phase::Protect, gone)?,
            step("backup", Phase::Protect, StepKind::BackupTake {})?,
            step("backup-verified", Phase::Protect, StepKind::BackupVerify {})?,
            step("switch", Phase::Install, StepKind::InstallSwitch {})?,
            step("start", Phase::After, StepKind::ServiceStart { units: vec![], ready: None })?,
            step("build-after", Phase::After, StepKind::CheckBuild {})?,
        ],
        rollback: RollbackPlan {
            method: RollbackMethod::SwitchAndRestore,
            trigger: "a mandatory step fails".to_owned(),
            deadline_ms: DECISION_MS,
            owner: PersonName::parse("operations")?,
            tested: None,
        },
    })
}
