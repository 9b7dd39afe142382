//! What is made of a rollout's current plan: rehearsals, documents, exports.

mod input;
mod removal;

use crate::{
    app::App,
    campaign::Campaign,
    people, planning,
    refusal::{Answer, ApiError, Refusal},
    rehearsal,
};
use axum::http::StatusCode;
use refit_documents::paper::{self, PaperInput};
use refit_inventory::HostRecord;
use refit_names::{HostName, RoleName, RolloutName};
use refit_plan::Plan;
use refit_protocol::v1::{
    DocumentKind, DocumentQuery, ExportQuery, RehearsalQuery, RehearsalReport,
};
use refit_rehearsal::{Experience, RehearsalError, RehearsalInput};
use refit_rollout::HostState;
use std::collections::BTreeMap;

/// Work of one rehearsal, in runs times servers squared: each event of a run looks at every server, and the longest answer that a
/// person waits for takes about a minute on two cores.
const WORK_MAX: u64 = 2_000_000_000;

/// Rehearses the current plan.
pub(crate) async fn rehearsal(
    app: &App,
    name: &RolloutName,
    query: &RehearsalQuery,
) -> Answer<RehearsalReport> {
    let plan = planning::current(app, name).await?.plan;
    let experience = experience(app).await?;
    rehearse(plan, experience, query.clone()).await
}

async fn rehearse(
    plan: Plan,
    experience: BTreeMap<RoleName, Experience>,
    query: RehearsalQuery,
) -> Answer<RehearsalReport> {
    let servers = u64::try_from(plan.hosts().count()).unwrap_or(u64::MAX);
    let runs_max = (WORK_MAX / servers.saturating_mul(servers).max(1)).max(1);
    if u64::from(query.runs) > runs_max && query.runs <= refit_rehearsal::RUNS_MAX {
        return Err(Refusal::OutOfRange {
            field: "runs",
            expected: format!("at most {runs_max} for {servers} servers"),
            found: query.runs.to_string(),
        }
        .into());
    }
    let work = tokio::task::spawn_blocking(move || {
        rehearsal::rehearse(&RehearsalInput {
            plan: &plan,
            runs: query.runs,
            seed: query.seed,
            assumptions: query.assumptions(),
            experience,
        })
    });
    let report = work.await.map_err(|_| Refusal::Bug)?;
    Ok(report?)
}

/// Runs and seed of a rehearsal whose results a document shows.
const SEED: u64 = 1;

/// A document as PDF.
pub(crate) async fn pdf(
    app: &App,
    name: &RolloutName,
    kind: DocumentKind,
    query: &DocumentQuery,
) -> Answer<Vec<u8>> {
    let input = document_input(app, name, query).await?;
    // Typesetting keeps a processor busy: not on a thread that answers requests, and in turns with certificates.
    let _turn = app.typesetting.acquire().await.map_err(|_| Refusal::Bug)?;
    let work = move || refit_documents::paper_pdf(&paper(kind, &input));
    let pages = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Bug)?;
    Ok(pages?)
}

/// A document as one HTML page.
pub(crate) async fn html(
    app: &App,
    name: &RolloutName,
    kind: DocumentKind,
    query: &DocumentQuery,
) -> Answer<String> {
    let input = document_input(app, name, query).await?;
    Ok(paper::html(&paper(kind, &input)))
}

fn paper(kind: DocumentKind, input: &PaperInput) -> paper::Paper {
    match kind {
        DocumentKind::Approach => paper::approach(input),
        DocumentKind::ProjectPlan => paper::project_plan(input),
    }
}

async fn document_input(
    app: &App,
    name: &RolloutName,
    query: &DocumentQuery,
) -> Answer<PaperInput> {
    let mut input = input::of(app, name).await?;
    if let Some(runs) = query.simulate {
        let zone = input.zone.iana_name().map(str::to_owned);
        let seed = query.seed.unwrap_or(SEED);
        let query = RehearsalQuery { runs, seed, zone, ..RehearsalQuery::default() };
        let experience = experience(app).await?;
        input.rehearsal = Some(rehearse(input.plan.clone(), experience, query).await?);
    }
    Ok(input)
}

/// The plan as a spreadsheet.
pub(crate) async fn xlsx(app: &App, name: &RolloutName) -> Answer<Vec<u8>> {
    let input = input::of(app, name).await?;
    paper::xlsx(&input).map_err(|error| ApiError::of(StatusCode::INTERNAL_SERVER_ERROR, &error))
}

/// The plan as CSV.
pub(crate) async fn csv(app: &App, name: &RolloutName) -> Answer<String> {
    Ok(paper::csv(&input::of(app, name).await?))
}

/// The plan as calendar, of one person or of all.
pub(crate) async fn ics(app: &App, name: &RolloutName, query: &ExportQuery) -> Answer<String> {
    let input = input::of(app, name).await?;
    let events = paper::events(&input, query.person.as_ref());
    people::calendar_of_somebody(app, query.person.as_ref(), &events).await?;
    Ok(refit_calendar::ics::write(&events))
}

/// A file of the plan by its name, for the console.
pub(crate) async fn file(app: &App, name: &RolloutName, file: &str) -> Answer<Vec<u8>> {
    let plain = DocumentQuery::default();
    Ok(match file {
        "approach.pdf" => pdf(app, name, DocumentKind::Approach, &plain).await?,
        "approach.html" => html(app, name, DocumentKind::Approach, &plain).await?.into_bytes(),
        "project-plan.pdf" => pdf(app, name, DocumentKind::ProjectPlan, &plain).await?,
        "project-plan.html" => {
            html(app, name, DocumentKind::ProjectPlan, &plain).await?.into_bytes()
        }
        "plan.xlsx" => xlsx(app, name).await?,
        "plan.csv" => csv(app, name).await?.into_bytes(),
        "plan.ics" => ics(app, name, &ExportQuery::default()).await?.into_bytes(),
        other => {
            return Err(Refusal::NotFound { what: "file of a plan", key: other.to_owned() }.into());
        }
    })
}

/// How hosts of each role did in all campaigns so far.
async fn experience(app: &App) -> Answer<BTreeMap<RoleName, Experience>> {
    let hosts = app.store.hosts().await?;
    let roles: BTreeMap<&HostName, &RoleName> =
        hosts.iter().map(|host: &HostRecord| (&host.name, &host.role)).collect();
    let mut seen: BTreeMap<RoleName, Experience> = BTreeMap::new();
    for row in app.store.rollouts::<Campaign>().await? {
        for host in row.body.rollout.hosts() {
            let failed = match &host.state {
                HostState::Succeeded { .. } => false,
                HostState::RolledBack { .. } | HostState::NeedsPerson { .. } => true,
                _ => continue,
            };
            let Some(role) = roles.get(&host.host) else { continue };
            let of_role = seen.entry((*role).clone()).or_default();
            of_role.ended += 1;
            of_role.failed += u32::from(failed);
        }
    }
    Ok(seen)
}

impl From<RehearsalError> for ApiError {
    fn from(error: RehearsalError) -> Self {
        let status = match &error {
            RehearsalError::NoHosts { .. } => StatusCode::CONFLICT,
            RehearsalError::OutOfRange { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(status, &error)
    }
}
