//! Rules between a manifest, its runbook and its payload.

use crate::{
    manifest::{Database, Manifest, Migration, RebootNeed},
    runbook::{Runbook, Step, StepKind},
    source::{Breaks, RuleBreak},
};
use refit_names::{StepId, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// All that a manifest says against its runbook or its payload; `has` tells whether the payload has a path.
#[must_use]
pub fn misfits(m: &Manifest, runbook: &Runbook, has: &dyn Fn(&TreePath) -> bool) -> Vec<RuleBreak> {
    let mut breaks = Breaks::default();
    check_databases(m, runbook, &mut breaks);
    check_migrations(m, runbook, &mut breaks);
    check_reboot(m, runbook, &mut breaks);
    for (name, part) in &m.parts {
        for path in part.paths.iter().filter(|path| !has(path)) {
            let field = format!("parts.{name}.paths");
            breaks.push(&field, "files and folders of the payload", format!("`{path}`"));
        }
    }
    breaks.into_list()
}

/// A database's connection string comes from a parameter: the runbook must declare it.
fn check_databases(m: &Manifest, runbook: &Runbook, breaks: &mut Breaks) {
    for (name, database) in &m.unit.databases {
        let (Database::Postgres { url } | Database::Mariadb { url }) = database else { continue };
        breaks.ensure(
            runbook.parameters.contains_key(url),
            &format!("unit.databases.{name}.url"),
            "a parameter that the runbook declares",
            || format!("`{url}`"),
        );
    }
}

/// The steps `database.migrate` that may be done again after a crash in their middle: each carries out migrations, all of them repeatable.
#[must_use]
pub fn repeatable_migrations(m: &Manifest, runbook: &Runbook) -> BTreeSet<StepId> {
    let steps = migrating(runbook);
    let mut may: BTreeMap<usize, bool> = BTreeMap::new();
    for migration in &m.migrations {
        if let Ok(at) = place(migration, &steps) {
            *may.entry(at).or_insert(true) &= migration.repeatable;
        }
    }
    may.into_iter().filter(|(_, may)| *may).map(|(at, _)| steps[at].id.clone()).collect()
}

fn migrating(runbook: &Runbook) -> Vec<&Step> {
    let migrates = |step: &&Step| matches!(step.kind, StepKind::DatabaseMigrate { .. });
    runbook.steps.iter().filter(migrates).collect()
}

fn check_migrations(m: &Manifest, runbook: &Runbook, breaks: &mut Breaks) {
    let steps = migrating(runbook);
    let mut before = 0;
    for (index, migration) in m.migrations.iter().enumerate() {
        let field = format!("migrations[{index}].step");
        match place(migration, &steps) {
            Ok(at) => {
                breaks.ensure(at >= before, &field, "steps in the runbook's order", || {
                    format!("`{}` after `{}`", steps[at].id, steps[before].id)
                });
                before = before.max(at);
            }
            Err((expected, found)) => breaks.push(&field, expected, found),
        }
    }
}

/// Which of the runbook's migrating steps carries a migration out.
fn place(migration: &Migration, steps: &[&Step]) -> Result<usize, (&'static str, String)> {
    let Some(wanted) = &migration.step else {
        return match steps.len() {
            1 => Ok(0),
            0 => Err(("a step `database.migrate` in the runbook", "none".to_owned())),
            many => Err((
                "one of the runbook's steps `database.migrate`",
                format!("nothing, and {many} steps"),
            )),
        };
    };
    let at = steps.iter().position(|step| step.id == *wanted);
    at.ok_or_else(|| ("a step `database.migrate` of the runbook", format!("`{wanted}`")))
}

fn check_reboot(m: &Manifest, runbook: &Runbook, breaks: &mut Breaks) {
    let restart = runbook.steps.iter().find(|s| matches!(s.kind, StepKind::MachineReboot { .. }));
    match (m.reboot, restart) {
        (Some(RebootNeed::Never), Some(step)) => {
            let found =
                format!("`never`, and the runbook's step `{}` restarts the machine", step.id);
            breaks.push("reboot", "`if-needed` or `always`", found);
        }
        (Some(RebootNeed::Always), None) => {
            let found = "`always`, and no step `machine.reboot` in the runbook".to_owned();
            breaks.push("reboot", "`never` or `if-needed`", found);
        }
        _ => {}
    }
}
