//! What packs ask of a host, measured where only the host can see it.

use super::measured;
use crate::{
    engine::{EngineError, EngineInput},
    facts,
    layout::Layout,
    service::systemd::Systemd,
    volume::Need,
};
use refit_names::chain;
use refit_packs::manifest::{Requirements, capability_number};
use refit_protocol::agent::Measured;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Memory, release of the operating system, privileges, services and other products.
pub(super) fn measure(
    input: &EngineInput,
    needed: &Requirements,
    values: &mut Vec<Measured>,
) -> Result<(), EngineError> {
    if needed.memory.0 > 0 {
        let found = facts::memory()?;
        let expected = format!("at least {}", needed.memory);
        values.push(measured("memory", found, expected, found >= needed.memory));
    }
    if !needed.os_release.is_empty() {
        let found = facts::os_release();
        let fits = needed.os_release.matches(&found);
        values.push(measured("operating system release", found, &needed.os_release, fits));
    }
    for privilege in &needed.privileges {
        let has = privileged(privilege);
        let found = if has { "held" } else { "not held by the agent" };
        values.push(measured(&format!("privilege {privilege}"), found, "held", has));
    }
    if !needed.services.is_empty() {
        let manager = Systemd::connect();
        for unit in &needed.services {
            let found =
                manager.active(unit).unwrap_or_else(|error| format!("unknown: {}", chain(&error)));
            let runs = found == "active";
            values.push(measured(&format!("service {unit}"), found, "active", runs));
        }
    }
    for (product, builds) in &needed.products {
        let root = input.others.get(product);
        let build = root.map(|root| Layout::new(root).installed()).transpose()?.flatten();
        let ok = build.as_ref().is_some_and(|b| builds.is_empty() || builds.contains(b));
        let found = build.map_or_else(|| "none".to_owned(), |build| build.to_string());
        let names: Vec<&str> = builds.iter().map(refit_names::BuildId::as_str).collect();
        let expected = if names.is_empty() { "any build".to_owned() } else { names.join(" or ") };
        values.push(measured(&format!("product {product}"), found, expected, ok));
    }
    Ok(())
}

/// Whether this process may do something: be root, or have a capability in effect.
pub(crate) fn privileged(name: &str) -> bool {
    if name == "root" {
        return rustix::process::geteuid().is_root();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    capability_number(name).is_some_and(|number| bits >> number & 1 == 1)
}

/// What packs need on volumes beyond what Refit computes itself.
///
/// Of a path of packs, the steady needs of those that came before are used up when the next one is at its peak.
pub(crate) fn pack_volumes(root: &Path, packs: &[&Requirements]) -> Vec<Need> {
    let top = root.display().to_string();
    let mut needs: BTreeMap<PathBuf, (u64, u64)> = BTreeMap::new();
    for need in packs.iter().flat_map(|requirements| &requirements.volumes) {
        let (steady, most) = needs.entry(PathBuf::from(need.folder(&top))).or_default();
        *most = (*most).max(steady.saturating_add(need.peak.0));
        *steady = steady.saturating_add(need.steady.0);
    }
    let tell = |(folder, (_, most)): (PathBuf, (u64, u64))| {
        let what = folder.display().to_string();
        Need { folder, what, bytes: most }
    };
    needs.into_iter().map(tell).collect()
}
