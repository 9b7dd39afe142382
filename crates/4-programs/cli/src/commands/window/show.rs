//! Windows as people read them.

use crate::output::table;
use jiff::Timestamp;
use refit_calendar::{in_words, local};
use refit_names::span;
use refit_plan::{Freeze, Opening, Scope};
use refit_protocol::v1::{FeedQuery, FeedView, OpeningsView, WindowView};

pub(super) fn list(windows: &[WindowView]) -> String {
    let rows = windows.iter().map(|view| {
        let zone = &view.window.zone;
        let next = view
            .next
            .as_ref()
            .map_or_else(|| "never again".to_owned(), |opening| at(opening.opens_at, zone));
        let open = view.open.as_ref();
        [
            view.window.name.to_string(),
            in_words(&view.window),
            zone.clone(),
            view.window.class.to_string(),
            open.map_or_else(
                || "closed".to_owned(),
                |open| format!("until {}", at(open.closes_at, zone)),
            ),
            next,
            view.hosts.to_string(),
        ]
    });
    table(["name", "opens", "zone", "class", "now", "next", "hosts"], rows.collect())
}

pub(super) fn check(asked: &OpeningsView) -> String {
    let name = &asked.window;
    let moment = at(asked.at, &asked.zone);
    if let Some(open) = &asked.open {
        return format!("{name} is open at {moment}, until {}", both(open.closes_at, &asked.zone));
    }
    let why = asked.frozen_by.as_ref().map_or_else(String::new, |freeze| {
        let until = both(freeze.until, &asked.zone);
        format!("\nfreeze {} until {until}: {}", freeze.name, freeze.reason)
    });
    let next = asked.next.first().map_or_else(
        || "it does not open again in 5 years".to_owned(),
        |next| {
            format!(
                "opens {}, closes {}",
                both(next.opens_at, &asked.zone),
                both(next.closes_at, &asked.zone)
            )
        },
    );
    format!("{name} is closed at {moment}{why}\n{next}")
}

pub(super) fn next(asked: &OpeningsView) -> String {
    let row = |opening: &Opening| {
        let open = opening.closes_at.duration_since(opening.opens_at).as_millis();
        [
            at(opening.opens_at, &asked.zone),
            at(opening.closes_at, &asked.zone),
            asked.zone.clone(),
            opening.opens_at.to_string(),
            opening.closes_at.to_string(),
            span(u64::try_from(open).unwrap_or(0)),
        ]
    };
    let rows = asked.next.iter().map(row).collect();
    table(["opens", "closes", "zone", "opens utc", "closes utc", "for"], rows)
}

pub(super) fn freezes(freezes: &[Freeze]) -> String {
    let row = |freeze: &Freeze| {
        [
            freeze.name.clone(),
            freeze.from.to_string(),
            freeze.until.to_string(),
            scope(&freeze.scope),
            freeze.reason.clone(),
        ]
    };
    table(["name", "from", "until", "covers", "reason"], freezes.iter().map(row).collect())
}

pub(super) fn feeds(feeds: &[FeedView]) -> String {
    let of = |of: &FeedQuery| match (&of.person, &of.rollout) {
        (None, None) => "windows and freezes".to_owned(),
        (Some(person), None) => format!("person {person}"),
        (None, Some(rollout)) => format!("rollout {rollout}"),
        (Some(person), Some(rollout)) => format!("person {person} in rollout {rollout}"),
    };
    let row = |feed: &FeedView| {
        [
            feed.id.clone(),
            of(&feed.of),
            feed.made_by.to_string(),
            feed.made_at.strftime("%Y-%m-%d").to_string(),
            feed.about.clone(),
        ]
    };
    table(["id", "shows", "made by", "made", "about"], feeds.iter().map(row).collect())
}

fn scope(scope: &Scope) -> String {
    let list = |what: &str, names: Vec<&str>| {
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let all = [
        list("sites", scope.sites.iter().map(AsRef::as_ref).collect()),
        list("roles", scope.roles.iter().map(AsRef::as_ref).collect()),
        list("products", scope.products.iter().map(AsRef::as_ref).collect()),
    ];
    let parts: Vec<String> = all.into_iter().flatten().collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join("; ") }
}

/// `Sat 2026-01-03 22:00`, as clocks in `zone` show it; with the offset in an hour that they show twice.
fn at(moment: Timestamp, zone: &str) -> String {
    let Some(there) = local(moment, zone) else { return moment.to_string() };
    let twice = there.time_zone().to_ambiguous_zoned(there.datetime()).is_ambiguous();
    there.strftime(if twice { "%a %Y-%m-%d %H:%M %:z" } else { "%a %Y-%m-%d %H:%M" }).to_string()
}

/// The same with UTC behind it.
fn both(moment: Timestamp, zone: &str) -> String {
    format!("{} {zone} ({moment})", at(moment, zone))
}
