//! One pack: what its author says, and its static pages in a sandbox.

use super::{digest, frame};
use crate::reply::{self, Frame, Refusal, not_found};
use crate::routes::Console;
use crate::session::Person;
use crate::words;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use refit_names::TreePath;
use refit_packs::manifest::{IssueAction, KnownIssue};
use std::sync::Arc;

/// The static page that is shown first.
const FIRST_PAGE: &str = "index.html";

#[derive(Template)]
#[template(path = "pack.html")]
struct PackPage {
    frame: Frame,
    title: String,
    withdrawn: Option<String>,
    facts: Vec<(&'static str, String)>,
    record: String,
    readme: String,
    blocked: Vec<(String, String)>,
    issues: Vec<IssueLine>,
    frame_address: Option<String>,
}

struct IssueLine {
    id: String,
    text: String,
    action: &'static str,
    roles: String,
}

/// `GET /packs/{record}`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Path(record): Path<String>,
) -> Result<Response, Refusal> {
    let record = digest(&record)?;
    let pack = console.source.pack(&record).await?;
    let summary = pack.summary;
    let first = pack.web.iter().find(|path| path.as_str() == FIRST_PAGE);
    Ok(reply::html(&PackPage {
        frame: frame(&person, "updates", format!("{} {}", summary.product, summary.to)),
        title: summary.title.clone(),
        withdrawn: summary.withdrawn.clone(),
        facts: vec![
            ("Product", summary.product.to_string()),
            ("From", words::names(&summary.from)),
            ("To", summary.to.to_string()),
            ("Kind", words::wire(&summary.kind)),
            ("Size", summary.size.to_string()),
        ],
        record: record.to_string(),
        readme: pack.readme,
        blocked: summary
            .blocked
            .iter()
            .map(|(build, why)| (build.to_string(), why.clone()))
            .collect(),
        issues: summary.known_issues.iter().map(issue).collect(),
        frame_address: first
            .map(|path| format!("/pack-pages/{}/{}/{path}", person.pages_key, record.to_hex())),
    }))
}

fn issue(issue: &KnownIssue) -> IssueLine {
    IssueLine {
        id: issue.id.clone(),
        text: issue.text.clone(),
        action: match issue.action {
            IssueAction::Hold => "holds hosts back",
            IssueAction::Warn => "warns",
        },
        roles: if issue.roles.is_empty() {
            "all roles".to_owned()
        } else {
            words::names(&issue.roles)
        },
    }
}

/// `GET /pack-pages/{key}/{record}/{path}`: what the frame shows. Frames in a sandbox send no cookie, so the address has a key.
pub(crate) async fn file(
    State(console): State<Arc<Console>>,
    Path((key, record, path)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    if !console.sessions.opens_pages(&key) {
        return Err(not_found(
            "the key in the address opens nothing any more: open the pack again",
        ));
    }
    let path = TreePath::parse(path).map_err(|error| not_found(error.to_string()))?;
    let bytes = console.source.pack_file(&digest(&record)?, &path).await?;
    Ok(reply::pack_file(path.as_str(), bytes))
}
