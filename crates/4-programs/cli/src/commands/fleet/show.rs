//! Hosts as text.

use crate::output::table;
use refit_inventory::HostRecord;
use refit_protocol::v1::HostView;

/// Hosts of an import.
pub(super) fn records(hosts: &[HostRecord]) -> String {
    let rows = hosts.iter().map(|host| {
        let criticality = format!("{:?}", host.criticality).to_lowercase();
        [
            host.name.to_string(),
            host.site.to_string(),
            host.role.to_string(),
            criticality,
            host.cluster.clone().unwrap_or_default(),
        ]
    });
    table(["host", "site", "role", "criticality", "cluster"], rows.collect())
}

/// Hosts of the fleet.
pub(super) fn list(hosts: &[HostView]) -> String {
    let rows = hosts.iter().map(|host| {
        let record = &host.record;
        [
            record.name.to_string(),
            record.site.to_string(),
            record.role.to_string(),
            products(host),
            host.risk.score.to_string(),
            presence(host),
        ]
    });
    table(["host", "site", "role", "builds", "risk", "agent"], rows.collect())
}

fn products(host: &HostView) -> String {
    let Some(facts) = &host.record.facts else { return "unknown".to_owned() };
    let builds = facts.products.iter().map(|product| {
        let build = product.build.as_ref().map_or("none", |build| build.as_str());
        format!("{} {build}", product.name)
    });
    builds.collect::<Vec<_>>().join(", ")
}

fn presence(host: &HostView) -> String {
    match (host.reachable, host.record.last_seen) {
        (true, _) => "connected".to_owned(),
        (false, Some(at)) => format!("last heard of {at}"),
        (false, None) => "never heard of".to_owned(),
    }
}

/// One host with its facts and the reasons of its score.
pub(super) fn one(host: &HostView) -> String {
    let record = &host.record;
    let mut lines = vec![
        format!("{}  site {}  role {}  {}", record.name, record.site, record.role, presence(host)),
        format!(
            "owner {}  criticality {:?}  {:?}",
            record.owner.as_ref().map_or("nobody", |o| o.as_str()),
            record.criticality,
            record.lifecycle
        )
        .to_lowercase(),
    ];
    if let Some(facts) = &record.facts {
        lines.push(format!(
            "{} ({}, {}), memory {}, agent {}, seen {}",
            facts.os_release,
            facts.kernel,
            facts.arch,
            facts.memory,
            facts.agent_version,
            facts.observed_at
        ));
        for product in &facts.products {
            let build = product.build.as_ref().map_or("none", |build| build.as_str());
            let services = format!("{:?}", product.services).to_lowercase();
            lines.push(format!(
                "product {} build {build} in {}: {}, {} free, services {services}",
                product.name, product.root, product.size, product.free
            ));
            lines.extend(
                product
                    .quarantined
                    .iter()
                    .map(|(build, cause)| format!("  build {build} is quarantined: {cause}")),
            );
        }
    }
    lines.push(format!("risk {}", host.risk.score));
    lines.extend(
        host.risk
            .reasons
            .iter()
            .map(|r| format!("  {:>3}  {}: {} ({})", r.points, r.code, r.text, r.mitigation)),
    );
    lines.join("\n")
}
