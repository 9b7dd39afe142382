//! Rules about what taking a pack means.

use super::LIST_MAX;
use crate::{
    manifest::{Manifest, UninstallRule, capability_number},
    source::Breaks,
};
use refit_names::{PartName, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// Parts of a pack: people choose them by hand.
const PARTS_MAX: usize = 64;

pub(super) fn check_requirements(m: &Manifest, breaks: &mut Breaks) {
    let r = &m.requirements;
    breaks.at_most(r.volumes.len(), LIST_MAX, "requirements.volumes");
    breaks.at_most(r.services.len(), LIST_MAX, "requirements.services");
    breaks.at_most(r.products.len(), LIST_MAX, "requirements.products");
    let mut paths = BTreeSet::new();
    for (index, volume) in r.volumes.iter().enumerate() {
        let field = format!("requirements.volumes[{index}]");
        let path = format!("{field}.path");
        breaks.ensure(
            volume.is_lawful_path(),
            &path,
            "`.`, a path below the product's root or an absolute path, without `..`",
            || format!("`{}`", volume.path),
        );
        breaks.ensure(paths.insert(&volume.path), &path, "each path once", || {
            format!("`{}` twice", volume.path)
        });
        breaks.ensure(
            volume.peak >= volume.steady,
            &format!("{field}.peak"),
            format!("at least the steady need of {}", volume.steady),
            || volume.peak.to_string(),
        );
    }
    for privilege in &r.privileges {
        breaks.ensure(
            privilege == "root" || capability_number(privilege).is_some(),
            "requirements.privileges",
            "`root` or Linux capabilities such as `cap_net_admin`",
            || format!("`{privilege}`"),
        );
    }
    for unit in &r.services {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-@:\\".contains(c);
        let kinds = [".service", ".socket", ".timer", ".target", ".mount", ".path"];
        breaks.ensure(
            unit.chars().all(plain) && kinds.iter().any(|kind| unit.ends_with(kind)),
            "requirements.services",
            "systemd units with their ending, such as `cron.service`",
            || format!("`{unit}`"),
        );
    }
    breaks.ensure(
        !r.products.contains_key(&m.product),
        &format!("requirements.products.{}", m.product),
        "products other than the pack's own",
        || format!("`{}`", m.product),
    );
}

pub(super) fn check_components(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.components.len(), LIST_MAX, "components");
}

pub(super) fn check_migrations(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.migrations.len(), LIST_MAX, "migrations");
    let mut ids = BTreeSet::new();
    for (index, migration) in m.migrations.iter().enumerate() {
        let field = format!("migrations[{index}]");
        breaks.ensure(ids.insert(&migration.id), &format!("{field}.id"), "each id once", || {
            format!("`{}` twice", migration.id)
        });
        breaks.ensure(
            m.unit.databases.contains_key(&migration.database),
            &format!("{field}.database"),
            "a database of `unit.databases`",
            || format!("`{}`", migration.database),
        );
        breaks.told(&format!("{field}.about"), &migration.about);
    }
}

pub(super) fn check_switches(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.switches.len(), LIST_MAX, "switches");
    let mut names = BTreeSet::new();
    for (index, switch) in m.switches.iter().enumerate() {
        let field = format!("switches[{index}]");
        breaks.ensure(
            names.insert(&switch.name),
            &format!("{field}.name"),
            "each name once",
            || format!("`{}` twice", switch.name),
        );
        breaks.line(&format!("{field}.before"), &switch.before);
        breaks.line(&format!("{field}.after"), &switch.after);
        breaks.told(&format!("{field}.text"), &switch.text);
        breaks.ensure(
            switch.before != switch.after,
            &format!("{field}.after"),
            "a state other than `before`",
            || format!("`{}`", switch.after),
        );
    }
}

pub(super) fn check_parts(m: &Manifest, breaks: &mut Breaks) {
    breaks.at_most(m.parts.len(), PARTS_MAX, "parts");
    // Sorted, so that a path stands right behind a folder that contains it, or behind others of that folder.
    let mut owners: BTreeMap<&TreePath, &PartName> = BTreeMap::new();
    for (name, part) in &m.parts {
        let field = format!("parts.{name}.paths");
        breaks.line(&format!("parts.{name}.title"), &part.title);
        breaks.ensure(!part.paths.is_empty(), &field, "at least one path", || "none".to_owned());
        breaks.at_most(part.paths.len(), LIST_MAX, &field);
        for path in &part.paths {
            if let Some(other) = owners.insert(path, name) {
                let found = format!("`{path}` also in part `{other}`");
                breaks.push(&field, "paths of no other part", found);
            }
        }
    }
    for (path, name) in &owners {
        for above in folders_above(path) {
            if let Some(other) = owners.get(&above) {
                let found = format!("`{path}` below `{above}` of part `{other}`");
                breaks.push(&format!("parts.{name}.paths"), "paths outside each other", found);
            }
        }
    }
}

fn folders_above(path: &TreePath) -> impl Iterator<Item = TreePath> {
    let text = path.as_str();
    text.match_indices('/').filter_map(|(at, _)| TreePath::parse(&text[..at]).ok())
}

pub(super) fn check_uninstall(m: &Manifest, breaks: &mut Breaks) {
    let Some(uninstall) = &m.uninstall else { return };
    breaks.ensure(
        uninstall.allowed != UninstallRule::Never || !uninstall.because.trim().is_empty(),
        "uninstall.because",
        "a reason",
        || "nothing".to_owned(),
    );
}

pub(super) fn check_coexistence(m: &Manifest, breaks: &mut Breaks) {
    let Some(rule) = &m.coexistence else { return };
    breaks.at_most(rule.with.len(), LIST_MAX, "coexistence.with");
    breaks.ensure(!rule.with.contains(&m.to), "coexistence.with", "builds other than `to`", || {
        format!("`{}`", m.to)
    });
    breaks.ensure(rule.for_ms != Some(0), "coexistence.for_ms", "more than 0", || "0".to_owned());
}
