//! The way back from an installed pack as a record of its own: a pack that leads back, with the procedure of a removal.
//!
//! How a product is quiesced and let in again is the same on the way there and on the way back, so these steps are the pack's own, in
//! their phases; its scripts that can be taken back are. Left out is what looks at, makes or starts the new build alone: the phase
//! `stage`, demands on the machine, tests and probes (they may ask for what only the new build answers), other scripts and migrations
//! (`down` stands for them), questions to people.

mod scripts;

use crate::{
    manifest::{Manifest, Requirements},
    record::{Bundle, PackRecord},
    runbook::{
        Command, Phase, Remove, RollbackPlan, Runbook, Step, StepKind, default_for_plain_service,
    },
};
use refit_names::{BuildId, ByteSize, Digest, NameError, StepId};
use scripts::TakenBack;
use std::collections::BTreeSet;

/// The record of a pack that leads from where `own` led back to `to`.
///
/// # Errors
/// [`NameError`] never in practice: a step's name with a number behind it is too long.
pub fn removal(own: &PackRecord, to: &BuildId, remove: &Remove) -> Result<PackRecord, NameError> {
    let down = own.manifest.uninstall.as_ref().and_then(|rule| rule.down.as_ref());
    let runbook = procedure(&own.runbook, remove, down)?;
    let manifest = Manifest {
        from: [own.manifest.to.clone()].into(),
        to: to.clone(),
        title: format!("Removal of build {}", own.manifest.to),
        blocked: Default::default(),
        supersedes: Default::default(),
        floor: None,
        // The machine bears the build that runs on it, and the older one ran there before.
        requirements: Requirements::default(),
        known_issues: vec![],
        components: Default::default(),
        migrations: vec![],
        reboot: None,
        switches: vec![],
        parts: Default::default(),
        uninstall: None,
        coexistence: None,
        web: None,
        ..own.manifest.clone()
    };
    let bundle = Bundle {
        size: ByteSize(0),
        digest: Digest::of(b""),
        chunks: vec![],
        deltas: vec![],
        ..own.bundle.clone()
    };
    let (payload, web) = (vec![], vec![]);
    Ok(PackRecord {
        format: own.format.clone(),
        // It tells what the new build brings.
        readme: String::new(),
        manifest,
        runbook,
        payload,
        web,
        bundle,
    })
}

/// Made of the pack's own runbook.
fn procedure(own: &Runbook, remove: &Remove, down: Option<&Command>) -> Result<Runbook, NameError> {
    let ids: BTreeSet<&StepId> = own.steps.iter().map(|step| &step.id).collect();
    let (mut steps, mut quieted) = (vec![], BTreeSet::new());
    let mut scripts = TakenBack::of(own);
    for step in &own.steps {
        if step.phase >= Phase::Protect {
            steps.append(&mut scripts.first);
        }
        if step.kind.exchanges() {
            steps.append(&mut scripts.before);
            steps.extend(exchange(own, step, remove, down, &ids)?);
            steps.append(&mut scripts.behind);
        } else if let Some(step) = kept(step, &quieted) {
            if stops_or_disables(&step.kind) {
                quieted.extend(step.kind.units().to_vec());
            }
            if step.phase > Phase::After {
                steps.append(&mut scripts.last);
            }
            steps.push(step);
        }
    }
    steps.append(&mut scripts.last);
    // Its way back was tested with the way there, if at all.
    let rollback = RollbackPlan { tested: None, ..own.rollback.clone() };
    Ok(Runbook { steps, rollback, ..own.clone() })
}

/// The exchange the other way round. A product that its own runbook does not stop is stopped all the same: its files and databases may
/// be put back beneath it.
fn exchange(
    own: &Runbook,
    at: &Step,
    remove: &Remove,
    down: Option<&Command>,
    ids: &BTreeSet<&StepId>,
) -> Result<Vec<Step>, NameError> {
    let step = |name: &str, kind| Ok(Step { id: free(ids, name)?, kind, ..at.clone() });
    let stops =
        |step: &&Step| matches!(&step.kind, StepKind::ServiceStop { units } if units.is_empty());
    let runs = !own.steps.iter().any(|step| stops(&step));
    let mut steps = vec![];
    if runs {
        for plain in default_for_plain_service().steps.iter().filter(stops) {
            steps.push(step(plain.id.as_str(), plain.kind.clone())?);
        }
    }
    if let Some(run) = down {
        steps.push(step("down", StepKind::DatabaseMigrate { run: run.clone() })?);
    }
    steps.push(step("remove", StepKind::InstallRemove(remove.clone()))?);
    if runs {
        steps.push(step("start", StepKind::ServiceStart { units: vec![], ready: None })?);
    }
    Ok(steps)
}

/// A name that no step of the pack has.
fn free(ids: &BTreeSet<&StepId>, name: &str) -> Result<StepId, NameError> {
    let mut id = StepId::parse(name)?;
    let mut number = 2;
    while ids.contains(&id) {
        id = StepId::parse(format!("{name}-{number}"))?;
        number += 1;
    }
    Ok(id)
}

/// The step as the removal takes it, if it does. `quieted` are units that an earlier step stopped or kept from starting.
fn kept(step: &Step, quieted: &BTreeSet<String>) -> Option<Step> {
    // Before the exchange the pack's own build runs, and these ask whether now is a good moment; afterwards they ask for the new build.
    let asks_for_now = matches!(step.phase, Phase::Before | Phase::Protect);
    let mut step = step.clone();
    let wanted = step.phase != Phase::Stage
        && match &mut step.kind {
            StepKind::TrafficClose { .. }
            | StepKind::TrafficOpen { .. }
            | StepKind::ServiceStop { .. }
            | StepKind::ServiceDisable { .. }
            | StepKind::ServiceHold(_)
            | StepKind::ServiceRelease {}
            | StepKind::ClusterDrain(_)
            | StepKind::ClusterResume {}
            | StepKind::MachineReboot { .. }
            | StepKind::BackupAhead {}
            | StepKind::BackupTake {}
            | StepKind::BackupVerify {}
            | StepKind::CheckBuild {}
            | StepKind::EvidenceLogs(_)
            | StepKind::EvidenceErrors(_)
            | StepKind::EvidenceConfig(_) => true,
            // Only what was stopped is started: another unit may have come with the new build.
            StepKind::ServiceStart { units, ready } => {
                *ready = None;
                units.iter().all(|unit| quieted.contains(unit))
            }
            StepKind::ServiceEnable { units } => units.iter().all(|unit| quieted.contains(unit)),
            StepKind::MachineWait(terms) => asks_for_now || terms.until.is_none(),
            StepKind::BackupRequire(_)
            | StepKind::EvidenceCommand { .. }
            | StepKind::CheckProcessesGone(_)
            | StepKind::CheckFilesUnlocked(_)
            | StepKind::CheckClock(_)
            | StepKind::CheckRebootPending {}
            | StepKind::CheckBackupAge(_)
            | StepKind::CheckCommand(_) => asks_for_now,
            StepKind::CheckDisk { .. }
            | StepKind::CheckMemory(_)
            | StepKind::CheckPrivilege(_)
            | StepKind::CheckOs(_)
            | StepKind::CheckPorts(_)
            | StepKind::InstallStage {}
            | StepKind::InstallSwitch {}
            | StepKind::InstallInPlace(_)
            | StepKind::InstallPackages(_)
            | StepKind::InstallRemove(_)
            | StepKind::ScriptRun { .. }
            | StepKind::DatabaseMigrate { .. }
            | StepKind::Test { .. }
            | StepKind::PeopleConfirm(_)
            | StepKind::PeopleFillIn(_)
            | StepKind::PeopleUpload(_)
            | StepKind::EvidenceUpload(_)
            | StepKind::PeopleDecide(_) => false,
        };
    wanted.then_some(step)
}

const fn stops_or_disables(kind: &StepKind) -> bool {
    matches!(kind, StepKind::ServiceStop { .. } | StepKind::ServiceDisable { .. })
}
