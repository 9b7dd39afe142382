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
use refit_protocol::v1::{RepositoryView, UpdateView};
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
    Ok(reply::html(&UpdatesPage {
        frame,
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
    }
}
