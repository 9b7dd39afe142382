//! What packs ask of a host, measured where only the host can see it.

use super::measured;
use crate::{
    engine::{EngineError, EngineInput, LegInput},
    facts,
    layout::{Layout, free_bytes},
    service::systemd::Systemd,
};
use refit_names::{ByteSize, chain};
use refit_packs::manifest::{Requirements, capability_number};
use refit_protocol::agent::Measured;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
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
fn privileged(name: &str) -> bool {
    if name == "root" {
        return rustix::process::geteuid().is_root();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    capability_number(name).is_some_and(|number| bits >> number & 1 == 1)
}

/// What one volume must have free, and what that is made of.
struct Volume {
    folder: PathBuf,
    /// Each with what it is for.
    parts: Vec<(String, u64)>,
}

/// Space per volume: folders on one volume are added up, and so is what Refit itself needs there.
///
/// Of a path of packs, the steady needs of those that came before are used up when the next one is at its peak.
pub(super) fn volumes(
    layout: &Layout,
    legs: &[LegInput],
    own: &[(&Path, String, ByteSize)],
    values: &mut Vec<Measured>,
) -> Result<(), EngineError> {
    if legs.iter().all(|leg| leg.record.manifest.requirements.volumes.is_empty()) {
        return Ok(());
    }
    let root = layout.root().display().to_string();
    let mut needs: BTreeMap<PathBuf, (u64, u64)> = BTreeMap::new();
    for need in legs.iter().flat_map(|leg| &leg.record.manifest.requirements.volumes) {
        let (steady, most) = needs.entry(PathBuf::from(need.folder(&root))).or_default();
        *most = (*most).max(steady.saturating_add(need.peak.0));
        *steady = steady.saturating_add(need.steady.0);
    }
    let mut volumes: BTreeMap<u64, Volume> = BTreeMap::new();
    let mut add = |folder: &Path, what: String, bytes: u64| -> Result<(), EngineError> {
        let near = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
        let device =
            fs::metadata(near).map_err(crate::error::StepError::io("look at", near))?.dev();
        let volume = volumes.entry(device);
        let volume =
            volume.or_insert_with(|| Volume { folder: near.to_owned(), parts: Vec::new() });
        volume.parts.push((what, bytes));
        Ok(())
    };
    for (folder, (_, most)) in &needs {
        add(folder, folder.display().to_string(), *most)?;
    }
    for (folder, what, bytes) in own {
        add(folder, what.clone(), bytes.0)?;
    }
    for volume in volumes.into_values() {
        let needed = ByteSize(volume.parts.iter().map(|(_, bytes)| bytes).sum());
        let sum: Vec<String> = volume
            .parts
            .iter()
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(what, bytes)| format!("{} {what}", ByteSize(*bytes)))
            .collect();
        let free = free_bytes(&volume.folder)?;
        let short = ByteSize(needed.0.saturating_sub(free.0));
        let found =
            if short.0 == 0 { free.to_string() } else { format!("{free}, {short} too little") };
        let what = format!("free space of the volume of {}", volume.folder.display());
        let expected = format!("at least {needed} = {}", sum.join(" + "));
        values.push(measured(&what, found, expected, short.0 == 0));
    }
    Ok(())
}
