//! Values that decide, days before the window, whether an order will work on this host.

mod needs;

pub(crate) use needs::{pack_volumes, privileged};

use crate::{
    engine::{EngineError, EngineInput, LegInput},
    error::StepError,
    finding::Finding,
    layout::Layout,
    packages,
    service::state_name,
    volume::{self, Need},
};
use refit_inventory::ServiceState;
use refit_packs::{
    manifest::{Database, Requirements},
    runbook::{Step, StepKind},
};
use refit_protocol::agent::Measured;
use std::time::Duration;

fn measured(what: &str, found: impl ToString, expected: impl ToString, ok: bool) -> Measured {
    let (found, expected) = (found.to_string(), expected.to_string());
    Measured { what: what.to_owned(), found, expected, ok }
}

pub(crate) fn measure(
    input: &EngineInput,
    layout: &Layout,
    legs: &[LegInput],
) -> Result<Vec<Measured>, EngineError> {
    let mut values = vec![];
    let installed = layout.installed()?;
    let found = installed.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    let from = &input.order.legs[0].from;
    values.push(measured("installed build", found, from, installed.as_ref() == Some(from)));
    let quarantined = input.log.quarantined(&input.product.name)?;
    for leg in legs {
        if let Some(because) = quarantined.get(&leg.to) {
            let what = format!("quarantine of build {}", leg.to);
            values.push(measured(&what, because, "none", false));
        }
        let staged = layout.release(&leg.to).is_dir();
        let found = if staged { "staged" } else { "missing" };
        values.push(measured(&format!("release {}", leg.to), found, "staged", staged));
        requirements(leg, &mut values);
        if staged && leg.from == *from {
            packages(input, layout, leg, &mut values);
        }
        needs::measure(input, &leg.record.manifest.requirements, &mut values)?;
    }
    disk(input, layout, legs, &mut values)?;
    let state = legs[0].service.state()?;
    let runs = state == ServiceState::Running;
    values.push(measured("service", state_name(state), "running", runs));
    Ok(values)
}

/// Whether the carried packages can be installed, as dpkg and apt say now. Of a path only the first: what comes later builds on it.
fn packages(input: &EngineInput, layout: &Layout, leg: &LegInput, values: &mut Vec<Measured>) {
    let Some(terms) = packages::terms(&leg.record.runbook) else { return };
    let told = |error: &StepError| refit_names::chain(error);
    let lock = packages::lock_is_free(Duration::ZERO);
    let found = lock.as_ref().map_or_else(told, |()| "free".to_owned());
    values.push(measured("package database", found, "free", lock.is_ok()));
    let chosen = packages::Apt::look(&input.state, layout.release(&leg.to), terms).choose();
    let found = chosen.as_ref().map_or_else(told, ToString::to_string);
    let expected = "packages that can be installed without a network";
    values.push(measured("carried packages", found, expected, chosen.is_ok()));
}

fn requirements(leg: &LegInput, values: &mut Vec<Measured>) {
    let needed = &leg.record.manifest.requirements;
    let pairs = [
        ("operating system", std::env::consts::OS, &needed.os),
        ("architecture", std::env::consts::ARCH, &needed.arch),
    ];
    for (what, found, allowed) in pairs.into_iter().filter(|(_, _, allowed)| !allowed.is_empty()) {
        let expected = allowed.iter().cloned().collect::<Vec<_>>().join(" or ");
        values.push(measured(what, found, expected, allowed.contains(found)));
    }
    for name in leg.record.runbook.parameters.keys() {
        if !leg.values.contains_key(name) {
            values.push(measured(&format!("parameter {name}"), "no value", "a value", false));
        }
    }
    let databases = leg.record.manifest.unit.databases.values();
    for database in databases {
        let (url, tools) = match database {
            Database::Sqlite { .. } => continue,
            Database::Postgres { url } => (url, &refit_backup::POSTGRES_TOOLS[..]),
            Database::Mariadb { url } => (url, &refit_backup::MARIADB_TOOLS[..]),
        };
        let known = leg.values.contains_key(url);
        let found = if known { "given" } else { "no value" };
        values.push(measured(&format!("connection {url}"), found, "given", known));
        for tool in tools {
            let place = refit_backup::find_tool(tool);
            let found =
                place.as_ref().map_or_else(|| "missing".to_owned(), |p| p.display().to_string());
            values.push(measured(&format!("program {tool}"), found, "installed", place.is_some()));
        }
    }
    let place = |wanted: fn(&StepKind) -> bool| {
        leg.record.runbook.steps.iter().position(|step: &Step| wanted(&step.kind))
    };
    let migrates = place(|kind| matches!(kind, StepKind::DatabaseMigrate { .. }));
    let saves = place(|kind| matches!(kind, StepKind::BackupTake {}));
    if let Some(migrates) = migrates {
        let before = saves.is_some_and(|saves| saves < migrates);
        let found = if before { "before the migration" } else { "missing" };
        values.push(measured("backup", found, "before the migration", before));
    }
}

fn disk(
    input: &EngineInput,
    layout: &Layout,
    legs: &[LegInput],
    values: &mut Vec<Measured>,
) -> Result<(), EngineError> {
    let size = layout.size()?;
    // The largest of what the legs ask for: a leg's own space is free again when the next one begins.
    let wanted = legs.iter().flat_map(|leg| {
        let own = leg.record.manifest.requirements.disk.0;
        leg.record.runbook.steps.iter().filter_map(move |step| match &step.kind {
            StepKind::CheckDisk { percent_of_product, extra, .. } => {
                let share = size.0.saturating_mul(u64::from(*percent_of_product)) / 100;
                Some(share.saturating_add(extra.0).saturating_add(own))
            }
            _ => None,
        })
    });
    let needed = wanted.max().unwrap_or(0);
    let packs: Vec<&Requirements> =
        legs.iter().map(|leg| &leg.record.manifest.requirements).collect();
    let mut needs = vec![
        Need::new(layout.root(), "for the product and its new release", needed),
        // One backup per leg, each at most as large as the product.
        Need::new(&input.state, "for backups", size.0.saturating_mul(legs.len() as u64)),
    ];
    needs.extend(pack_volumes(layout.root(), &packs));
    values.extend(volume::judge(needs)?.into_iter().map(from_finding));
    Ok(())
}

fn from_finding(finding: Finding) -> Measured {
    let Finding { what, measured, limit, ok, .. } = finding;
    Measured { what, found: measured, expected: limit, ok }
}
