//! What must come before what, and what may stand where.

use super::{
    super::{EvidenceLogs, Phase, Runbook, Step, StepKind},
    people,
};
use crate::source::Breaks;
use std::collections::BTreeSet;

/// What must come before what.
pub(super) fn check_order(runbook: &Runbook, breaks: &mut Breaks) {
    let mut done: BTreeSet<&'static str> = BTreeSet::new();
    for (index, step) in runbook.steps.iter().enumerate() {
        let name = step.kind.name();
        let field = format!("steps[{index}].do");
        for needed in needs(&step.kind) {
            breaks.ensure(
                done.contains(needed),
                &field,
                format!("`{needed}` before `{name}`"),
                || format!("`{name}` without it"),
            );
        }
        if matches!(
            name,
            "traffic.open"
                | "install.stage"
                | "install.switch"
                | "install.in-place"
                | "install.packages"
                | "backup.take"
                | "cluster.drain"
                | "cluster.resume"
        ) {
            breaks.ensure(!done.contains(name), &field, format!("`{name}` at most once"), || {
                format!("`{name}` twice")
            });
        }
        breaks.ensure(
            step.phase != Phase::Stage || harmless(&step.kind),
            &format!("steps[{index}].phase"),
            "only checks, evidence, staging and scripts in the phase `stage`, where the product runs",
            || format!("`{name}`"),
        );
        breaks.ensure(
            step.phase == Phase::Stage || name != "install.stage",
            &format!("steps[{index}].phase"),
            "`install.stage` in the phase `stage`",
            || format!("{:?}", step.phase).to_lowercase(),
        );
        check_always(index, step, breaks);
        people::check_place(runbook, index, done.contains("traffic.open"), breaks);
        if step.kind.exchanges() && name != "install.switch" {
            let expected = "one step that puts the new build in its place";
            breaks.ensure(!done.contains("install.switch"), &field, expected, || {
                format!("`{name}` beside another")
            });
            // The other ways of putting a build in its place stand for the first one.
            done.insert("install.switch");
        }
        done.insert(name);
    }
}

const fn needs(kind: &StepKind) -> &'static [&'static str] {
    match kind {
        StepKind::TrafficOpen { .. } => &["backup.take", "install.switch"],
        StepKind::InstallSwitch {} | StepKind::InstallInPlace(_) | StepKind::InstallPackages(_) => {
            &["install.stage"]
        }
        StepKind::ServiceRelease {} => &["service.hold"],
        StepKind::ClusterResume {} => &["cluster.drain"],
        StepKind::DatabaseMigrate { .. } | StepKind::BackupVerify {} => &["backup.take"],
        _ => &[],
    }
}

fn harmless(kind: &StepKind) -> bool {
    match kind {
        StepKind::EvidenceUpload(_) => false,
        StepKind::InstallStage {} | StepKind::ScriptRun { .. } | StepKind::Test { .. } => true,
        StepKind::EvidenceLogs(EvidenceLogs { clear, .. }) => !clear,
        StepKind::CheckProcessesGone(_) => false,
        other => {
            let name = other.name();
            name.starts_with("check.") || name.starts_with("evidence.") || name == "backup.require"
        }
    }
}

/// What runs whatever happened must neither change what was taken back nor need what may not be there.
fn check_always(index: usize, step: &Step, breaks: &mut Breaks) {
    if !step.always {
        return;
    }
    let field = format!("steps[{index}].always");
    let name = step.kind.name();
    let may = match &step.kind {
        StepKind::ScriptRun { .. }
        | StepKind::Test { .. }
        | StepKind::MachineWait(_)
        | StepKind::ServiceEnable { .. } => true,
        StepKind::ServiceStart { units, .. } => !units.is_empty(),
        StepKind::EvidenceUpload(_) => false,
        _ => name.starts_with("check.") || name.starts_with("evidence."),
    };
    breaks.ensure(
        may,
        &field,
        "`always` only on checks, tests, evidence, scripts, waits and on enabling or starting named units",
        || format!("`always` on `{name}`"),
    );
    breaks.ensure(step.phase != Phase::Stage, &field, "no `always` in the phase `stage`", || {
        "stage".to_owned()
    });
}
