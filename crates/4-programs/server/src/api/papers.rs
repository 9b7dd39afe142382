//! Rehearsals, documents and exports of a rollout's current plan.

use super::answers::{Asked, Named};
use crate::{app::App, papers, refusal::Answer};
use axum::{
    Json,
    extract::State,
    http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::IntoResponse,
};
use refit_names::RolloutName;
use refit_protocol::v1::{
    DocumentKind, DocumentQuery, ExportQuery, RehearsalQuery, RehearsalReport,
};

/// What a page of a document may do: show itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

pub(super) async fn rehearsal(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
    Asked(query): Asked<RehearsalQuery>,
) -> Answer<Json<RehearsalReport>> {
    Ok(Json(papers::rehearsal(&app, &name, &query).await?))
}

type Document = (State<App>, Named<RolloutName>, Asked<DocumentQuery>);

pub(super) async fn approach_pdf(document: Document) -> Answer<impl IntoResponse> {
    pdf(document, DocumentKind::Approach).await
}

pub(super) async fn approach_html(document: Document) -> Answer<impl IntoResponse> {
    html(document, DocumentKind::Approach).await
}

pub(super) async fn project_plan_pdf(document: Document) -> Answer<impl IntoResponse> {
    pdf(document, DocumentKind::ProjectPlan).await
}

pub(super) async fn project_plan_html(document: Document) -> Answer<impl IntoResponse> {
    html(document, DocumentKind::ProjectPlan).await
}

async fn pdf(
    (State(app), Named(name), Asked(query)): Document,
    kind: DocumentKind,
) -> Answer<impl IntoResponse> {
    let pages = papers::pdf(&app, &name, kind, &query).await?;
    Ok(file(pages, "application/pdf", &format!("{name}-{}.pdf", kind.name())))
}

async fn html(
    (State(app), Named(name), Asked(query)): Document,
    kind: DocumentKind,
) -> Answer<impl IntoResponse> {
    let page = papers::html(&app, &name, kind, &query).await?;
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    Ok((headers, page))
}

pub(super) async fn xlsx(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<impl IntoResponse> {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    Ok(file(papers::xlsx(&app, &name).await?, kind, &format!("{name}.xlsx")))
}

pub(super) async fn csv(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<impl IntoResponse> {
    let text = papers::csv(&app, &name).await?;
    Ok(file(text.into_bytes(), "text/csv; charset=utf-8", &format!("{name}.csv")))
}

pub(super) async fn ics(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
    Asked(query): Asked<ExportQuery>,
) -> Answer<impl IntoResponse> {
    let text = papers::ics(&app, &name, &query).await?;
    Ok(file(text.into_bytes(), "text/calendar; charset=utf-8", &format!("{name}.ics")))
}

fn file(bytes: Vec<u8>, kind: &'static str, name: &str) -> impl IntoResponse + use<> {
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, format!("inline; filename=\"{name}\"")),
    ];
    (headers, bytes)
}
