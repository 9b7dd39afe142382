//! What this host looks like.

use crate::{
    error::{EngineError, StepError},
    journal::StepLog,
    layout::{Layout, free_bytes},
    machine::{Machine, ThisMachine},
    parts,
    product::ProductConfig,
    service,
};
use jiff::Timestamp;
use refit_inventory::{ObservedFacts, ObservedProduct, ServiceState};
use refit_names::{ByteSize, chain};
use std::{fs, path::Path};

/// Looks at the host and at the products that the agent is told of.
///
/// # Errors
/// [`EngineError`] when the operating system does not say what every Linux says.
pub fn collect(
    products: &[ProductConfig],
    state: &Path,
    log: &dyn StepLog,
    agent_version: &str,
    now: Timestamp,
) -> Result<ObservedFacts, EngineError> {
    let products = products.iter().map(|product| look(product, state, log));
    Ok(ObservedFacts {
        observed_at: now,
        os: std::env::consts::OS.to_owned(),
        os_release: os_release(),
        arch: std::env::consts::ARCH.to_owned(),
        kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        boot_id: ThisMachine.boot_id()?,
        booted_at: booted_at()?,
        memory: memory()?,
        virtualisation: virtualisation(),
        agent_version: agent_version.to_owned(),
        products: products.collect::<Result<_, _>>()?,
    })
}

fn read(path: &str) -> Result<String, StepError> {
    fs::read_to_string(path).map_err(StepError::io("read", Path::new(path)))
}

/// The distribution's own name for itself; a host without the file is no error.
pub(crate) fn os_release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim_matches('"').to_owned())
}

fn booted_at() -> Result<Option<Timestamp>, StepError> {
    let text = read("/proc/stat")?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    Ok(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
}

pub(crate) fn memory() -> Result<ByteSize, StepError> {
    Ok(memory_of(&["MemTotal"])?[0])
}

/// Lines of the kernel's account of memory, in the order that is asked for.
pub(crate) fn memory_of(names: &[&str]) -> Result<Vec<ByteSize>, StepError> {
    let text = read("/proc/meminfo")?;
    let one = |name: &&str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        ByteSize(kib.unwrap_or(0) * 1024)
    };
    Ok(names.iter().map(one).collect())
}

/// What the machine runs in, as far as it says so itself: a container, a hypervisor, or `none`.
fn virtualisation() -> Option<String> {
    if let Ok(container) = fs::read_to_string("/run/systemd/container") {
        return Some(container.trim().to_owned());
    }
    let processor = fs::read_to_string("/proc/cpuinfo").ok()?;
    let flags = processor.lines().find(|line| line.starts_with("flags"));
    if !flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")) {
        return Some("none".to_owned());
    }
    let vendor = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let vendor = vendor.split_whitespace().next().map(str::to_lowercase);
    Some(vendor.unwrap_or_else(|| "hypervisor".to_owned()))
}

/// When the newest sealed backup was sealed: its manifest is written last and never again.
fn newest_backup(state: &Path, product: &ProductConfig) -> Option<Timestamp> {
    let folder = state.join("backups").join(product.name.as_str());
    let sealed = fs::read_dir(folder).ok()?.flatten().filter(|entry| {
        entry.path().extension().is_none_or(|end| end != "partial")
            && !refit_backup::is_aside(&entry.file_name().to_string_lossy())
    });
    let written =
        |entry: fs::DirEntry| entry.path().join("manifest.json").metadata().ok()?.modified().ok();
    Timestamp::try_from(sealed.filter_map(written).max()?).ok()
}

fn look(
    product: &ProductConfig,
    state: &Path,
    log: &dyn StepLog,
) -> Result<ObservedProduct, EngineError> {
    let layout = Layout::of(product);
    let unseen = |what: &'static str| {
        move |error: StepError| tracing::warn!(error = chain(&error), "{what} cannot be seen")
    };
    // What cannot be seen of one product must not hide the host.
    let services = service::open(product, state).state();
    let build = layout.installed().map_err(unseen("the installed build")).unwrap_or_default();
    let parts = build.as_ref().map(|build| parts::of(state, &product.name, build));
    Ok(ObservedProduct {
        name: product.name.clone(),
        build,
        root: product.root.display().to_string(),
        size: layout.size().map_err(unseen("the product's size")).unwrap_or_default(),
        free: free_bytes(&product.root).map_err(unseen("free space")).unwrap_or_default(),
        services: services.map_err(unseen("the service")).unwrap_or(ServiceState::Unknown),
        parameters: product.parameters.clone(),
        backup_at: newest_backup(state, product),
        parts: parts.unwrap_or_default(),
        quarantined: log.quarantined(&product.name)?,
    })
}
