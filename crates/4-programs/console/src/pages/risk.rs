//! Stated risks by likelihood and impact, and the riskiest hosts.

use super::frame;
use crate::pages::fleet::{Filter, FilterBox};
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use refit_protocol::v1::{HostRisk, RiskEntryView};
use refit_risk::{Level, RiskStatus};
use std::sync::Arc;

/// Hosts that are shown: who needs more asks for them.
const HOSTS_SHOWN: usize = 50;
/// A product of likelihood and impact from here on is high, and from there on medium.
const HIGH: u32 = 15;
const MEDIUM: u32 = 6;

#[derive(Template)]
#[template(path = "risk_page.html")]
struct RiskPage {
    frame: Frame,
    filter: FilterBox,
    total: usize,
    matrix: Vec<MatrixRow>,
    entries: Vec<EntryLine>,
    hosts: Vec<HostLine>,
}

struct MatrixRow {
    likelihood: u8,
    cells: Vec<Cell>,
}

struct Cell {
    tone: &'static str,
    entries: Vec<(u64, String)>,
}

/// A stated risk as a line.
pub(crate) struct EntryLine {
    pub(crate) id: u64,
    pub(crate) host: String,
    pub(crate) text: String,
    pub(crate) exposure: String,
    pub(crate) status: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) mitigation: String,
    pub(crate) owner: String,
    pub(crate) due: String,
    pub(crate) score: String,
}

struct HostLine {
    name: String,
    site: String,
    role: String,
    score: u32,
    because: String,
}

/// `GET /risk`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Query(asked): Query<Filter>,
) -> Result<Response, Refusal> {
    let found = console.source.risks(asked.text()).await;
    let (hosts, filter) = asked.answered(found)?;
    let views: Vec<&RiskEntryView> = hosts.iter().flat_map(|host| &host.entries).collect();
    Ok(reply::html(&RiskPage {
        frame: frame(&person, "risk", "Risk"),
        filter,
        total: hosts.len(),
        matrix: matrix(&views),
        entries: views.iter().map(|view| entry_line(view)).collect(),
        hosts: hosts.iter().take(HOSTS_SHOWN).map(host_line).collect(),
    }))
}

fn matrix(views: &[&RiskEntryView]) -> Vec<MatrixRow> {
    let row = |likelihood: Level| {
        let cell = |impact: Level| {
            let here = views.iter().map(|view| &view.entry).filter(|entry| {
                let now = entry.now();
                now.likelihood == likelihood && now.impact == impact
            });
            let entries = here.map(|entry| (entry.id, entry.host.to_string())).collect();
            let tone = match u32::from(likelihood.get()) * u32::from(impact.get()) {
                HIGH.. => "bad",
                MEDIUM.. => "warn",
                _ => "good",
            };
            Cell { tone, entries }
        };
        MatrixRow { likelihood: likelihood.get(), cells: Level::all().map(cell).collect() }
    };
    Level::all().rev().map(row).collect()
}

/// A stated risk as people read it.
pub(crate) fn entry_line(view: &RiskEntryView) -> EntryLine {
    let entry = &view.entry;
    let (first, now) = (entry.exposure, entry.now());
    let was = if first == now { String::new() } else { format!(", was {}", first.product()) };
    let changed = view.score_before != view.score_now;
    let score = if changed {
        format!("{} → {}", view.score_before, view.score_now)
    } else {
        view.score_now.to_string()
    };
    EntryLine {
        id: entry.id,
        host: entry.host.to_string(),
        text: entry.text.clone(),
        exposure: format!("{} × {} = {}{was}", now.likelihood, now.impact, now.product()),
        status: entry.status.word(),
        tone: match entry.status {
            RiskStatus::Open => "warn",
            RiskStatus::Mitigated { .. } => "good",
            RiskStatus::Accepted { .. } => "idle",
        },
        mitigation: entry.mitigation.clone(),
        owner: entry.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
        due: entry.due.map(|due| due.to_string()).unwrap_or_default(),
        score,
    }
}

fn host_line(host: &HostRisk) -> HostLine {
    let reasons = host.risk.reasons.iter().take(3);
    HostLine {
        name: host.host.to_string(),
        site: host.site.to_string(),
        role: host.role.to_string(),
        score: host.risk.score,
        because: reasons
            .map(|one| format!("{} ({})", one.text, one.points))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
