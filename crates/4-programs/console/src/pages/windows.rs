//! When hosts may be changed, and when nothing may.

use super::frame;
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::words;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use refit_calendar::{in_words, local};
use refit_plan::{Freeze, Opening, Scope};
use refit_protocol::v1::WindowView;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "windows.html")]
struct WindowsPage {
    frame: Frame,
    windows: Vec<WindowLine>,
    freezes: Vec<FreezeLine>,
}

struct WindowLine {
    name: String,
    about: String,
    opens: String,
    zone: String,
    class: String,
    open: Option<String>,
    next: String,
    hosts: u64,
}

struct FreezeLine {
    name: String,
    from: String,
    until: String,
    covers: String,
    reason: String,
}

/// `GET /windows`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
) -> Result<Response, Refusal> {
    let windows = console.source.windows().await?;
    let freezes = console.source.freezes().await?;
    Ok(reply::html(&WindowsPage {
        frame: frame(&person, "windows", "Windows"),
        windows: windows.iter().map(window_line).collect(),
        freezes: freezes.iter().map(freeze_line).collect(),
    }))
}

fn window_line(view: &WindowView) -> WindowLine {
    let zone = &view.window.zone;
    let at = |moment| {
        local(moment, zone).map_or_else(
            || words::moment(moment),
            |there| there.strftime("%a %Y-%m-%d %H:%M").to_string(),
        )
    };
    let both = |opening: &Opening| format!("{} to {}", at(opening.opens_at), at(opening.closes_at));
    WindowLine {
        name: view.window.name.to_string(),
        about: view.window.about.clone(),
        opens: in_words(&view.window),
        zone: zone.clone(),
        class: view.window.class.to_string(),
        open: view.open.as_ref().map(|opening| at(opening.closes_at)),
        next: view.next.as_ref().map_or_else(|| "never again".to_owned(), both),
        hosts: view.hosts,
    }
}

fn freeze_line(freeze: &Freeze) -> FreezeLine {
    FreezeLine {
        name: freeze.name.clone(),
        from: words::moment(freeze.from),
        until: words::moment(freeze.until),
        covers: covers(&freeze.scope),
        reason: freeze.reason.clone(),
    }
}

fn covers(scope: &Scope) -> String {
    if *scope == Scope::default() {
        return "everything".to_owned();
    }
    let sites = scope.sites.iter().map(|site| format!("site {site}"));
    let roles = scope.roles.iter().map(|role| format!("role {role}"));
    let products = scope.products.iter().map(|product| format!("product {product}"));
    sites.chain(roles).chain(products).collect::<Vec<_>>().join(", ")
}
