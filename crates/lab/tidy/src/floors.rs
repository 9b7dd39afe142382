//! Floors: a crate depends only on lower ones, and sideways only where the table says so.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Sideways edges that are allowed, as `(from, to)`. DESIGN section 3; `2-edge` and the uses of `content` and `packs` included.
const SIDEWAYS: &[(&str, &str)] = &[
    ("refit-risk", "refit-inventory"),
    ("refit-expression", "refit-inventory"),
    ("refit-calendar", "refit-plan"),
    ("refit-planner", "refit-calendar"),
    ("refit-planner", "refit-plan"),
    ("refit-planner", "refit-packs"),
    ("refit-planner", "refit-inventory"),
    ("refit-planner", "refit-risk"),
    ("refit-plan-check", "refit-calendar"),
    ("refit-plan-check", "refit-plan"),
    ("refit-plan-check", "refit-packs"),
    ("refit-plan-check", "refit-inventory"),
    ("refit-rollout", "refit-plan"),
    ("refit-rehearsal", "refit-plan"),
    ("refit-rehearsal", "refit-rollout"),
    ("refit-journal", "refit-plan"),
    ("refit-journal", "refit-packs"),
    ("refit-repository", "refit-content"),
    ("refit-forge", "refit-content"),
    ("refit-host", "refit-backup"),
    ("refit-vault", "refit-backup"),
    ("refit-server", "refit-console"),
    ("refit", "refit-server"),
    ("refit", "refit-demo"),
];

/// The floor that a crate states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// 0 to 4.
    Numbered(u64),
    /// Never shipped; may use everything.
    Lab,
    /// A product that the demo upgrades; may use nothing of the house.
    Example,
}

/// The edges that break a rule, each as a sentence.
///
/// # Errors
/// When `cargo metadata` fails or a crate states no floor.
pub fn broken_edges() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(crate::workspace()).exec()?;
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let from = floor(package)?;
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let Some(other) = member(&metadata, &dependency.name) else { continue };
            if !allowed((package, from), (other, floor(other)?)) {
                broken.push(format!(
                    "{} (floor {from:?}) uses {}, which is not on a lower floor or in the table",
                    package.name, other.name
                ));
            }
        }
    }
    Ok(broken)
}

/// Sideways edges of the table that no crate uses any more.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn unused_sideways() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(crate::workspace()).exec()?;
    let used = |from: &str, to: &str| {
        member(&metadata, from).is_some_and(|p| p.dependencies.iter().any(|d| d.name == to))
    };
    Ok(SIDEWAYS
        .iter()
        .filter(|(from, to)| !used(from, to))
        .map(|(from, to)| format!("{from} → {to}"))
        .collect())
}

fn member<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a Package> {
    metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == name)
}

fn allowed((from, below): (&Package, Floor), (to, above): (&Package, Floor)) -> bool {
    match (below, above) {
        (Floor::Lab, _) => true,
        (Floor::Example, _) | (_, Floor::Lab | Floor::Example) => false,
        (Floor::Numbered(from_floor), Floor::Numbered(to_floor)) => {
            to_floor < from_floor
                || (to_floor == from_floor
                    && SIDEWAYS.contains(&(from.name.as_str(), to.name.as_str())))
        }
    }
}

fn floor(package: &Package) -> Result<Floor> {
    let stated = &package.metadata["house"]["floor"];
    let folder = package
        .manifest_path
        .parent()
        .and_then(|p| p.parent())
        .and_then(|p| p.file_name())
        .unwrap_or_default();
    let floor = match (stated.as_u64(), stated.as_str()) {
        (Some(number), _) => Floor::Numbered(number),
        (_, Some("lab")) => Floor::Lab,
        (_, Some("example")) => Floor::Example,
        _ => anyhow::bail!("{} states no floor in [package.metadata.house]", package.name),
    };
    if let Floor::Numbered(number) = floor {
        folder.strip_prefix(&format!("{number}-")).with_context(|| {
            format!("{} states floor {number} and stands in folder {folder}", package.name)
        })?;
    }
    Ok(floor)
}
