//! How a server is changed, brought back and tested, as its runbooks say.

use super::builder::Builder;
use super::text::{list, words};
use super::{Form, PaperInput, RunbookNote};
use refit_names::{counted, span as duration};
use std::collections::BTreeSet;

/// What is done on a server, by runbook.
pub(crate) fn steps(builder: &mut Builder, input: &PaperInput) {
    builder.section("Procedure per kind of server");
    builder.text("Preparing fetches and checks everything while the servers go on working: content, pages, the agent itself, the order on the host's own disk. From then on a host carries its order out by itself inside its window, even when nobody can reach it.");
    for runbook in &input.runbooks {
        builder.part(&format!("Runbook {}, to {}", runbook.name, list(&runbook.builds)));
        builder.text(runbook_scope(runbook));
        let rows = runbook.steps.iter();
        let rows = rows.map(|(phase, step, kind)| {
            vec![phase.as_str().into(), step.as_str().into(), kind.as_str().into()]
        });
        builder.table(
            &[
                ("phase", 1.0, Form::Plain),
                ("step", 2.4, Form::Name),
                ("what it does", 2.4, Form::Plain),
            ],
            rows.collect(),
            "It has no steps.",
        );
    }
    if input.runbooks.is_empty() {
        builder.text(
            "The runbooks are pinned by the packs of the plan; their text is not at hand here.",
        );
    }
}

fn runbook_scope(runbook: &RunbookNote) -> String {
    let roles =
        if runbook.roles.is_empty() { "all roles".to_owned() } else { list(&runbook.roles) };
    format!("For {roles}, with the packs to {}.", list(&runbook.builds))
}

/// What is saved, and how it comes back.
pub(crate) fn way_back(builder: &mut Builder, input: &PaperInput) {
    builder.section("Backup and rollback");
    builder.text("Before anything is changed, files and databases of the product are saved as one unit of one moment. A rollback brings files and database back together or refuses: a half restored server does not exist. Until clients are let in again every failure takes the server back by itself; after that it only goes forward, and what fails then needs a person.");
    for runbook in &input.runbooks {
        let back = &runbook.rollback;
        builder.part(&format!(
            "Way back of runbook {}, to {}",
            runbook.name,
            list(&runbook.builds)
        ));
        builder.facts(vec![
            ("Saved as one unit", list(&runbook.unit)),
            ("Method", words(&back.method)),
            ("Triggered by", back.trigger.clone()),
            ("Decided within", duration(back.deadline_ms)),
            ("Decided by", back.owner.to_string()),
            ("Tested", back.tested.clone().unwrap_or_else(|| "not yet".to_owned())),
        ]);
    }
    let longest = input.plan.hosts().map(|(_, host)| host.undo_p95_ms).max().unwrap_or(0);
    builder.text(format!(
        "Nineteen of twenty servers are back within {}. Every window holds the change, its validation and this way back; a server does not begin when what is left of its window does not.",
        duration(longest)
    ));
}

/// What proves that it works.
pub(crate) fn tests(builder: &mut Builder, input: &PaperInput) {
    builder.section("Tests");
    builder.text("Client tests run before and after each server's change and are compared: a test that passed before and fails afterwards takes the server back. Preflight checks (disk, memory, privileges, clock, pending reboot, age of backups, locked files) run while preparing, so that surprises come before the window.");
    let names: BTreeSet<&String> =
        input.runbooks.iter().flat_map(|runbook| &runbook.tests).collect();
    if names.is_empty() {
        builder.text("The runbooks name no client tests, or are not at hand here.");
    }
    builder.list(names.into_iter().cloned());
    let first = input.plan.waves.first();
    if let Some(wave) = first {
        builder.text(format!(
            "The first wave is the test of the whole procedure: {} on {}, watched for {} before anything else is changed.",
            wave.name,
            counted(wave.hosts.len(), "server"),
            duration(wave.soak_ms)
        ));
    }
}
