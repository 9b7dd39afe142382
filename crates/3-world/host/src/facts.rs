//! What this host looks like.

use crate::{
    error::{EngineError, StepError},
    journal::StepLog,
    layout::{Layout, free_bytes},
    machine::{Machine, ThisMachine},
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
        agent_version: agent_version.to_owned(),
        products: products.collect::<Result<_, _>>()?,
    })
}

fn read(path: &str) -> Result<String, StepError> {
    fs::read_to_string(path).map_err(StepError::io("read", Path::new(path)))
}

/// The distribution's own name for itself; a host without the file is no error.
fn os_release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim_matches('"').to_owned())
}

fn booted_at() -> Result<Option<Timestamp>, StepError> {
    let text = read("/proc/stat")?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    Ok(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
}

fn memory() -> Result<ByteSize, StepError> {
    let text = read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Ok(ByteSize(kib.unwrap_or(0) * 1024))
}

fn look(
    product: &ProductConfig,
    state: &Path,
    log: &dyn StepLog,
) -> Result<ObservedProduct, EngineError> {
    let layout = Layout::new(&product.root);
    let unseen = |what: &'static str| {
        move |error: StepError| tracing::warn!(error = chain(&error), "{what} cannot be seen")
    };
    // What cannot be seen of one product must not hide the host.
    let services = service::open(product, state).state();
    Ok(ObservedProduct {
        name: product.name.clone(),
        build: layout.installed().map_err(unseen("the installed build")).unwrap_or_default(),
        root: product.root.display().to_string(),
        size: layout.size().map_err(unseen("the product's size")).unwrap_or_default(),
        free: free_bytes(&product.root).map_err(unseen("free space")).unwrap_or_default(),
        services: services.map_err(unseen("the service")).unwrap_or(ServiceState::Unknown),
        parameters: product.parameters.clone(),
        quarantined: log.quarantined(&product.name)?,
    })
}
