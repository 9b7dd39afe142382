//! Updates that are available, and the packs of the repository.

use super::frame;
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::words;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use refit_packs::catalog::PackSummary;
use refit_protocol::v1::{DeliveryState, EventView, RepositoryView, UpdateView};
use std::sync::Arc;

/// What a server answers that has no repository, or none that was refreshed.
const NOT_YET: u16 = 503;

#[derive(Template)]
#[template(path = "updates.html")]
struct UpdatesPage {
    frame: Frame,
    updates: Vec<UpdateLine>,
    packs: Vec<PackLine>,
    repository: RepositoryLine,
    events: Vec<EventLine>,
}

#[derive(Template)]
#[template(path = "no_repository.html")]
struct NoRepositoryPage {
    frame: Frame,
    detail: String,
}

struct UpdateLine {
    product: String,
    installed: String,
    servers: u64,
    paths: Vec<String>,
    remark: Option<String>,
}

/// Events that the page shows: the log has all.
const EVENTS_SHOWN: usize = 10;

struct EventLine {
    at: String,
    kind: &'static str,
    findings: Vec<String>,
    deliveries: String,
}

struct PackLine {
    record: String,
    product: String,
    to: String,
    from: String,
    kind: String,
    title: String,
    size: String,
    issues: usize,
    withdrawn: Option<String>,
}

struct RepositoryLine {
    url: String,
    refreshed: String,
    expires: String,
    problem: Option<String>,
    checked: String,
    next: String,
    absent: usize,
}

/// `GET /updates`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
) -> Result<Response, Refusal> {
    let frame = frame(&person, "updates", "Updates");
    let repository = match console.source.repository().await {
        Ok(repository) => repository,
        // A server that looks after no repository is no error of the page: it says so.
        Err(problem) if problem.status == NOT_YET => {
            return Ok(reply::html(&NoRepositoryPage { frame, detail: problem.detail }));
        }
        Err(problem) => return Err(problem.into()),
    };
    let updates = match console.source.updates().await {
        // Not refreshed yet: what the repository says of itself is shown above the empty list.
        Err(problem) if problem.status == NOT_YET => Vec::new(),
        answer => answer?,
    };
    let events = console.source.notifications().await?;
    Ok(reply::html(&UpdatesPage {
        frame,
        events: events.iter().take(EVENTS_SHOWN).map(event_line).collect(),
        updates: updates.iter().map(update_line).collect(),
        packs: repository.packs.iter().map(pack_line).collect(),
        repository: repository_line(&repository),
    }))
}

fn update_line(update: &UpdateView) -> UpdateLine {
    UpdateLine {
        product: update.product.to_string(),
        installed: update.installed.to_string(),
        servers: update.servers,
        paths: update.paths.iter().map(|path| words::path(path)).collect(),
        remark: match (&update.withdrawn, &update.superseded_by) {
            (Some(why), _) => Some(format!("withdrawn: {why}")),
            (None, Some(newer)) => Some(format!("superseded by {newer}")),
            (None, None) => None,
        },
    }
}

fn event_line(event: &EventView) -> EventLine {
    let count = |state| event.deliveries.iter().filter(|one| one.state == state).count();
    let (done, open, failed) = (
        count(DeliveryState::Delivered),
        count(DeliveryState::Pending),
        count(DeliveryState::Failed),
    );
    EventLine {
        at: words::moment(event.at),
        kind: event.kind.name(),
        findings: event.findings.iter().map(ToString::to_string).collect(),
        deliveries: match event.deliveries.len() {
            0 => "nobody asked for it".to_owned(),
            all => format!("{done} of {all} delivered, {open} waiting, {failed} given up"),
        },
    }
}

fn pack_line(pack: &PackSummary) -> PackLine {
    PackLine {
        record: pack.record_digest.to_hex(),
        product: pack.product.to_string(),
        to: pack.to.to_string(),
        from: words::names(&pack.from),
        kind: words::wire(&pack.kind),
        title: pack.title.clone(),
        size: pack.size.to_string(),
        issues: pack.known_issues.len(),
        withdrawn: pack.withdrawn.clone(),
    }
}

fn repository_line(view: &RepositoryView) -> RepositoryLine {
    RepositoryLine {
        url: view.url.clone(),
        refreshed: view.refreshed_at.map_or_else(|| "never".to_owned(), words::moment),
        expires: view.expires_at.map_or_else(|| "unknown".to_owned(), words::moment),
        problem: view.problem.clone(),
        checked: said(view.check.as_ref().and_then(|check| check.last_at)),
        next: said(view.check.as_ref().and_then(|check| check.next_at)),
        absent: view.absent.len(),
    }
}

fn said(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "unknown".to_owned(), words::moment)
}
