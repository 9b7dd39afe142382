//! All hosts, and one of them with its facts and orders.

use super::risk::{EntryLine, entry_line};
use super::{frame, name};
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::source::Answer;
use crate::words::{self, Word};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::Timestamp;
use refit_inventory::{ObservedFacts, ObservedProduct, StatedFacts};
use refit_names::HostName;
use refit_protocol::v1::{HostView, RolloutView};
use refit_risk::RiskReason;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    frame: Frame,
    filter: FilterBox,
    reachable: usize,
    total: usize,
    hosts: Vec<HostLine>,
}

/// Hosts that are shown: a browser is slow with more, and nobody reads them.
const HOSTS_SHOWN: usize = 500;

/// What stands behind the question mark.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default, rename = "where")]
    text: String,
}

/// The box above a list.
pub(crate) struct FilterBox {
    /// What was asked for.
    pub(crate) text: String,
    /// What is wrong with it; empty: nothing.
    pub(crate) problem: String,
}

impl Filter {
    /// The expression, if one was given.
    pub(crate) fn text(&self) -> Option<&str> {
        Some(self.text.trim()).filter(|text| !text.is_empty())
    }

    /// The answer with the box: what is wrong with an expression is said beside it, all else is a page of its own.
    pub(crate) fn answered<T>(self, found: Answer<Vec<T>>) -> Result<(Vec<T>, FilterBox), Refusal> {
        let text = self.text;
        match found {
            Ok(found) => Ok((found, FilterBox { text, problem: String::new() })),
            Err(problem) if problem.code.starts_with("expression.") => {
                Ok((Vec::new(), FilterBox { text, problem: problem.detail }))
            }
            Err(problem) => Err(Refusal(problem)),
        }
    }
}

struct HostLine {
    name: String,
    site: String,
    role: String,
    criticality: String,
    products: String,
    risk: u32,
    state: Word,
    seen: String,
}

/// `GET /fleet`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Query(asked): Query<Filter>,
) -> Result<Response, Refusal> {
    let now = console.ambient.clock.now();
    let found = console.source.hosts(asked.text()).await;
    let (hosts, filter) = asked.answered(found)?;
    Ok(reply::html(&FleetPage {
        frame: frame(&person, "fleet", "Fleet"),
        filter,
        reachable: hosts.iter().filter(|host| host.reachable).count(),
        total: hosts.len(),
        hosts: hosts.iter().take(HOSTS_SHOWN).map(|host| host_line(host, now)).collect(),
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
        state: words::presence(host),
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
    state: Word,
    seen: String,
    said: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    stated: Vec<(&'static str, String)>,
    score: u32,
    reasons: Vec<ReasonLine>,
    entries: Vec<EntryLine>,
    products: Vec<ProductLine>,
    orders: Vec<OrderLine>,
}

struct ReasonLine {
    points: u32,
    text: String,
    weight: String,
    source: String,
    known: String,
    mitigation: String,
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
    let risk = console.source.host_risk(&host).await?;
    let orders = orders(&console.source.rollouts().await?, &host);
    let record = &view.record;
    let now = console.ambient.clock.now();
    Ok(reply::html(&HostPage {
        frame: frame(&person, "fleet", host.as_str()),
        name: host.to_string(),
        state: words::presence(&view),
        seen: record.last_seen.map_or_else(|| "never".to_owned(), |at| words::ago(at, now)),
        said: said(&view),
        facts: record.facts.as_ref().map(facts).unwrap_or_default(),
        products: record.facts.iter().flat_map(|facts| &facts.products).map(product_line).collect(),
        stated: record.stated.as_ref().map(stated).unwrap_or_default(),
        orders,
        score: risk.risk.score,
        reasons: risk.risk.reasons.into_iter().map(|reason| reason_line(reason, now)).collect(),
        entries: risk.entries.iter().map(entry_line).collect(),
    }))
}

fn reason_line(reason: RiskReason, now: Timestamp) -> ReasonLine {
    ReasonLine {
        points: reason.points,
        text: reason.text,
        weight: reason.weight,
        source: reason.source,
        known: reason.known_at.map(|at| words::ago(at, now)).unwrap_or_default(),
        mitigation: reason.mitigation,
    }
}

/// What was stated where nobody looked.
fn stated(stated: &StatedFacts) -> Vec<(&'static str, String)> {
    let products = stated.products.iter().map(|(name, build)| format!("{name} {build}"));
    let products = products.collect::<Vec<_>>().join(", ");
    let at = |at: Option<Timestamp>| at.map(words::moment).unwrap_or_default();
    let lines = [
        ("Stated by", words::names(&stated.by)),
        ("Stated at", at(stated.at)),
        ("System", stated.os.clone().unwrap_or_default()),
        ("Memory", stated.memory.map(|memory| memory.to_string()).unwrap_or_default()),
        ("Started", at(stated.booted_at)),
        ("Backup", at(stated.backup_at)),
        ("Products", products),
    ];
    lines.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

fn said(view: &HostView) -> Vec<(&'static str, String)> {
    let record = &view.record;
    let mut lines = vec![
        ("Site", record.site.to_string()),
        ("Role", record.role.to_string()),
        ("Owner", words::names(&record.owner)),
        ("Criticality", words::wire(&record.criticality)),
        ("Lifecycle", words::wire(&record.lifecycle)),
        ("Tier", record.tier.to_string()),
    ];
    if let Some(cluster) = &record.cluster {
        lines.push(("Cluster", cluster.clone()));
    }
    if !record.after.is_empty() {
        lines.push(("After", words::names(&record.after)));
    }
    if !record.windows.is_empty() {
        lines.push(("Windows", words::names(&record.windows)));
    }
    if let Some(class) = record.time_class {
        lines.push(("Time class", class.to_string()));
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
                .map(|run| refit_names::span(run.downtime_ms))
                .unwrap_or_default(),
            finished: host
                .evidence
                .as_ref()
                .map(|run| words::moment(run.finished_at))
                .unwrap_or_default(),
        })
        .collect()
}
