//! Documents and exports of a plan, as files.

use super::name;
use crate::reply::{self, Refusal, not_found};
use crate::routes::Console;
use axum::extract::{Path, State};
use axum::response::Response;
use refit_names::RolloutName;
use std::sync::Arc;

/// Files of a plan: name, what people call it, media type.
pub(crate) const FILES: [(&str, &str, &str); 7] = [
    ("approach.pdf", "Approach document (PDF)", "application/pdf"),
    ("approach.html", "Approach document (HTML)", "text/html; charset=utf-8"),
    ("project-plan.pdf", "Project plan (PDF)", "application/pdf"),
    ("project-plan.html", "Project plan (HTML)", "text/html; charset=utf-8"),
    (
        "plan.xlsx",
        "Spreadsheet",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("plan.csv", "CSV", "text/csv; charset=utf-8"),
    ("plan.ics", "Calendar", "text/calendar; charset=utf-8"),
];

/// `GET /rollouts/{name}/papers/{file}`.
pub(crate) async fn file(
    State(console): State<Arc<Console>>,
    Path((rollout, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let rollout: RolloutName = name(&rollout)?;
    let found = FILES.iter().find(|(name, _, _)| *name == file);
    let (file, _, kind) = found.ok_or_else(|| not_found("a plan has no such file"))?;
    let bytes = console.source.paper(&rollout, file).await?;
    Ok(reply::download(kind, &format!("{rollout} - {file}"), bytes))
}
