//! All hosts, and one of them with its facts and orders.

use super::{frame, name};
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::words::{self, Word};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use refit_inventory::{ObservedFacts, ObservedProduct};
use refit_names::HostName;
use refit_protocol::v1::{HostView, RolloutView};
use refit_risk::RiskReason;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    frame: Frame,
    reachable: usize,
    hosts: Vec<HostLine>,
}

struct HostLine {
    name: String,
    site: String,
    role: String,
    criticality: String,
    products: String,
    risk: u32,
    reachable: bool,
    seen: String,
}

/// `GET /fleet`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
) -> Result<Response, Refusal> {
    let now = console.ambient.clock.now();
    let hosts = console.source.hosts().await?;
    Ok(reply::html(&FleetPage {
        frame: frame(&person, "fleet", "Fleet"),
        reachable: hosts.iter().filter(|host| host.reachable).count(),
        hosts: hosts.iter().map(|host| host_line(host, now)).collect(),
    }))
}

fn host_line(host: &HostView, now: Timestamp) -> HostLine {
    let record = &host.record;
    let products = record.facts.iter().flat_map(|facts| &facts.products).map(installed);
    HostLine {
        name: record.name.to_string(),
        site: record.site.to_string(),
        role: record.role.to_string(),
        criticality: words::wire(&record.criticality),
        products: products.collect::<Vec<_>>().join(", "),
        risk: host.risk.score,
        reachable: host.reachable,
        seen: record.last_seen.map_or_else(|| "never".to_owned(), |at| words::ago(at, now)),
    }
}

fn installed(product: &ObservedProduct) -> String {
    match &product.build {
        Some(build) => format!("{} {build}", product.name),
        None => format!("{} (not installed)", product.name),
    }
}

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage {
    frame: Frame,
    name: String,
    reachable: bool,
    seen: String,
    said: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    score: u32,
    reasons: Vec<RiskReason>,
    products: Vec<ProductLine>,
    orders: Vec<OrderLine>,
}

struct ProductLine {
    name: String,
    build: String,
    services: String,
    root: String,
    size: String,
    free: String,
    parameters: String,
    quarantined: Vec<(String, String)>,
}

struct OrderLine {
    rollout: String,
    path: String,
    state: Word,
    downtime: String,
    finished: String,
}

/// `GET /fleet/{host}`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Path(host): Path<String>,
) -> Result<Response, Refusal> {
    let host: HostName = name(&host)?;
    let view = console.source.host(&host).await?;
    let orders = orders(&console.source.rollouts().await?, &host);
    let record = &view.record;
    let now = console.ambient.clock.now();
    Ok(reply::html(&HostPage {
        frame: frame(&person, "fleet", host.as_str()),
        name: host.to_string(),
        reachable: view.reachable,
        seen: record.last_seen.map_or_else(|| "never".to_owned(), |at| words::ago(at, now)),
        said: said(&view),
        facts: record.facts.as_ref().map(facts).unwrap_or_default(),
        products: record.facts.iter().flat_map(|facts| &facts.products).map(product_line).collect(),
        orders,
        score: view.risk.score,
        reasons: view.risk.reasons,
    }))
}

fn said(view: &HostView) -> Vec<(&'static str, String)> {
    let record = &view.record;
    let mut lines = vec![
        ("Site", record.site.to_string()),
        ("Role", record.role.to_string()),
        ("Owner", words::names(&record.owner)),
        ("Criticality", words::wire(&record.criticality)),
        ("Lifecycle", words::wire(&record.lifecycle)),
    ];
    if let Some(cluster) = &record.cluster {
        lines.push(("Cluster", cluster.clone()));
    }
    if !record.after.is_empty() {
        lines.push(("After", words::names(&record.after)));
    }
    if !record.tags.is_empty() {
        lines.push(("Tags", words::names(&record.tags)));
    }
    lines
}

fn facts(facts: &ObservedFacts) -> Vec<(&'static str, String)> {
    vec![
        ("Seen at", words::moment(facts.observed_at)),
        ("System", format!("{} ({})", facts.os_release, facts.os)),
        ("Kernel", format!("{} {}", facts.kernel, facts.arch)),
        ("Memory", facts.memory.to_string()),
        ("Started", facts.booted_at.map(words::moment).unwrap_or_default()),
        ("Agent", facts.agent_version.clone()),
    ]
}

fn product_line(product: &ObservedProduct) -> ProductLine {
    let parameters = product.parameters.iter().map(|(name, value)| format!("{name} = {value}"));
    ProductLine {
        name: product.name.to_string(),
        build: product.build.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
        services: words::wire(&product.services),
        root: product.root.clone(),
        size: product.size.to_string(),
        free: product.free.to_string(),
        parameters: parameters.collect::<Vec<_>>().join(", "),
        quarantined: product
            .quarantined
            .iter()
            .map(|(build, why)| (build.to_string(), why.clone()))
            .collect(),
    }
}

fn orders(rollouts: &[RolloutView], name: &HostName) -> Vec<OrderLine> {
    let of_host = rollouts.iter().filter_map(|rollout| {
        words::hosts(rollout).find(|host| host.host == *name).map(|host| (rollout, host))
    });
    of_host
        .map(|(rollout, host)| OrderLine {
            rollout: rollout.name.to_string(),
            path: words::path(&host.path),
            state: words::host(&host.state),
            downtime: host
                .evidence
                .as_ref()
                .map(|run| words::duration(run.downtime_ms))
                .unwrap_or_default(),
            finished: host
                .evidence
                .as_ref()
                .map(|run| words::moment(run.finished_at))
                .unwrap_or_default(),
        })
        .collect()
}
