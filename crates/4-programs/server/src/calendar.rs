//! Windows and freezes: judged over all of them before any is kept, compiled once, shown as openings and as feeds.

mod feed;
mod scope;

pub(crate) use feed::{NewFeedSecret, feed};

use crate::{
    app::App,
    refusal::{Answer, ApiError, Refusal},
};
use jiff::{SignedDuration, Timestamp};
use refit_calendar::{Calendar, CalendarError, CalendarErrors, SEARCH_YEARS};
use refit_names::{PersonName, WindowName};
use refit_plan::{Freeze, Opening, Scope, Window};
use refit_protocol::v1::{
    Existing, OPENINGS_MAX, OpeningsQuery, OpeningsView, Removed, WindowView, WindowsChanged,
    WindowsPut,
};
use refit_store::{fleet::Keep, windows::CalendarRecords};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// As far as openings are looked for.
const SEARCH: SignedDuration = SignedDuration::from_hours(SEARCH_YEARS as i64 * 366 * 24);
/// Openings shown when nobody says how many.
const OPENINGS_DEFAULT: u32 = 5;
/// Hosts named in a refusal: enough to know where to look.
const NAMED_MAX: usize = 5;

/// The last calendar that was compiled, with what it was compiled from.
#[derive(Default)]
pub(crate) struct Compiled(Mutex<Option<(CalendarRecords, Calendar)>>);

/// All windows and freezes, compiled.
pub(crate) async fn load(app: &App) -> Answer<Calendar> {
    let records = app.store.calendar().await?;
    let mut last = app.calendar.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((from, calendar)) = last.as_ref().filter(|(from, _)| *from == records) {
        let _ = from;
        return Ok(calendar.clone());
    }
    let calendar = compile(&records)?;
    *last = Some((records, calendar.clone()));
    Ok(calendar)
}

fn compile(records: &CalendarRecords) -> Result<Calendar, CalendarErrors> {
    let windows = records.windows.values().cloned().collect();
    Calendar::new(windows, records.freezes.values().cloned().collect())
}

/// Every window with what follows from it now.
pub(crate) async fn views(app: &App) -> Answer<Vec<WindowView>> {
    let calendar = load(app).await?;
    let now = app.now();
    let mut hosts: BTreeMap<WindowName, u64> = BTreeMap::new();
    for host in app.store.said_hosts().await? {
        for window in host.windows {
            *hosts.entry(window).or_default() += 1;
        }
    }
    let everything = |freeze: &Freeze| freeze.scope == Scope::default();
    let view = |window: &Window| {
        let (open, mut next) = around(&calendar, &window.name, now, 1, everything)?;
        let (next, hosts) = (next.pop(), hosts.get(&window.name).copied().unwrap_or(0));
        Ok(WindowView { window: window.clone(), open, next, hosts })
    };
    calendar.windows().map(view).collect()
}

/// Whether a window is open at a moment, and what follows.
pub(crate) async fn openings(
    app: &App,
    name: &WindowName,
    query: &OpeningsQuery,
) -> Answer<OpeningsView> {
    let calendar = load(app).await?;
    let (at, count) =
        (query.at.unwrap_or_else(|| app.now()), query.count.unwrap_or(OPENINGS_DEFAULT));
    if !(1..=OPENINGS_MAX).contains(&count) {
        let (expected, found) = (format!("1 to {OPENINGS_MAX}"), count.to_string());
        return Err(Refusal::OutOfRange { field: "count", expected, found }.into());
    }
    let counts = |freeze: &Freeze| covers(&freeze.scope, query);
    let (open, next) = around(&calendar, name, at, count, counts)?;
    let (unfrozen, _) = around(&calendar, name, at, 1, |_| false)?;
    let holds = |freeze: &&Freeze| freeze.from <= at && at < freeze.until && counts(freeze);
    let frozen_by =
        unfrozen.filter(|_| open.is_none()).and_then(|_| calendar.freezes().iter().find(holds));
    let zone = calendar.window(name).map(|window| window.zone.clone()).unwrap_or_default();
    let frozen_by = frozen_by.cloned();
    Ok(OpeningsView { window: name.clone(), zone, at, open, next, frozen_by })
}

/// A set of a scope that asks for nothing covers all; one that does covers only what is named.
fn covers(scope: &Scope, query: &OpeningsQuery) -> bool {
    (scope.sites.is_empty() || query.site.as_ref().is_some_and(|site| scope.sites.contains(site)))
        && (scope.roles.is_empty()
            || query.role.as_ref().is_some_and(|role| scope.roles.contains(role)))
        && (scope.products.is_empty()
            || query.product.as_ref().is_some_and(|product| scope.products.contains(product)))
}

/// The opening that is open at a moment, and those that begin after it.
fn around(
    calendar: &Calendar,
    name: &WindowName,
    at: Timestamp,
    count: u32,
    counts: impl Fn(&Freeze) -> bool,
) -> Answer<(Option<Opening>, Vec<Opening>)> {
    // Most windows open within weeks: widen the search instead of following five years of a daily rule.
    let mut ahead = SignedDuration::from_hours(24 * 32);
    loop {
        let until = at.checked_add(ahead.min(SEARCH)).unwrap_or(Timestamp::MAX);
        let found = calendar.openings_where(name, at, until, &counts)?;
        let (open, mut next): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|opening| opening.opens_at <= at);
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        if next.len() >= wanted || ahead >= SEARCH {
            next.truncate(wanted);
            return Ok((open.into_iter().next(), next));
        }
        ahead = ahead.saturating_mul(4);
    }
}

/// Keeps windows: all of them, or none.
pub(crate) async fn put(app: &App, person: &PersonName, put: WindowsPut) -> Answer<WindowsChanged> {
    let keep = if put.dry_run { Keep::Try } else { Keep::Yes };
    let now = app.now();
    let done = app.store.change_calendar(keep, |records| judge_put(records, put, now)).await?;
    if keep == Keep::Yes {
        app.audit(person, "windows.put", &done).await?;
        app.changed();
    }
    Ok(done)
}

fn judge_put(
    records: &mut CalendarRecords,
    put: WindowsPut,
    now: Timestamp,
) -> Result<WindowsChanged, ApiError> {
    let mut done = WindowsChanged::default();
    let mut taken = Vec::new();
    // The sent ones are judged among themselves first: a name twice would hide one of them in the map.
    let sent = Calendar::new(put.windows.clone(), Vec::new());
    let mut faults = sent.as_ref().err().map(|errors| errors.0.clone()).unwrap_or_default();
    if let Ok(sent) = &sent {
        faults.extend(put.windows.iter().filter_map(|window| never_again(sent, window, now)));
    }
    for window in put.windows {
        let name = window.name.clone();
        match records.windows.insert(name.clone(), window.clone()) {
            None => done.added.push(name),
            Some(same) if same == window => done.unchanged.push(name),
            Some(_) if put.existing == Existing::Replace => done.replaced.push(name),
            Some(_) => taken.push(name),
        }
    }
    faults.extend(taken.into_iter().map(|window| CalendarError::Taken { window }));
    if faults.is_empty() { Ok(done) } else { Err(CalendarErrors(faults).into()) }
}

/// The fault of a window whose last opening is over.
fn never_again(calendar: &Calendar, window: &Window, now: Timestamp) -> Option<CalendarError> {
    let until = now.checked_add(SEARCH).unwrap_or(Timestamp::MAX);
    let ahead = calendar.openings_unfrozen(&window.name, now, until).ok()?;
    let why = format!("it has no opening in the {SEARCH_YEARS} years from now, {now}");
    ahead.is_empty().then(|| CalendarError::NeverOpens { window: window.name.clone(), why })
}

/// Removes a window that nothing refers to.
pub(crate) async fn remove(app: &App, person: &PersonName, name: &WindowName) -> Answer<Removed> {
    let hosts = app.store.said_hosts().await?;
    let hosts =
        hosts.iter().filter(|host| host.windows.contains(name)).map(|host| host.name.to_string());
    let people = app.store.engineers().await?;
    let people =
        people.iter().filter(|one| one.available.contains(name)).map(|one| one.name.to_string());
    let mut users: Vec<String> = hosts.chain(people).collect();
    if !users.is_empty() {
        let count = users.len();
        users.truncate(NAMED_MAX);
        return Err(Refusal::WindowInUse { window: name.clone(), count, users }.into());
    }
    let removed = app.store.change_calendar(Keep::Yes, |records| {
        let missing = || Refusal::NotFound { what: "window", key: name.to_string() };
        records.windows.remove(name).map(drop).ok_or_else(missing).map_err(ApiError::from)
    });
    removed.await?;
    let done = Removed { name: name.to_string(), hosts: Vec::new() };
    app.audit(person, "windows.remove", &done).await?;
    app.changed();
    Ok(done)
}

/// Keeps a freeze; from that moment nothing that it covers begins.
pub(crate) async fn add_freeze(app: &App, person: &PersonName, freeze: Freeze) -> Answer<Freeze> {
    let mut faults = scope::unknown(app, &freeze).await?;
    let name = || freeze.name.clone();
    if freeze.reason.trim().is_empty() {
        faults.push(CalendarError::NoReason { freeze: name() });
    }
    let now = app.now();
    if freeze.until > freeze.from && freeze.until <= now {
        faults.push(CalendarError::FreezeOver { freeze: name(), until: freeze.until, now });
    }
    let added = app.store.change_calendar(Keep::Yes, |records| {
        let errors = Calendar::new(Vec::new(), vec![freeze.clone()]).err().map(|errors| errors.0);
        faults.extend(errors.unwrap_or_default());
        if records.freezes.insert(name(), freeze.clone()).is_some() {
            faults.push(CalendarError::DuplicateFreeze { freeze: name(), found: 2 });
        }
        if faults.is_empty() { Ok(()) } else { Err(ApiError::from(CalendarErrors(faults))) }
    });
    added.await?;
    app.audit(person, "freezes.add", &freeze).await?;
    app.changed();
    Ok(freeze)
}

/// Ends a freeze.
pub(crate) async fn remove_freeze(app: &App, person: &PersonName, name: &str) -> Answer<Removed> {
    let removed = app.store.change_calendar(Keep::Yes, |records| {
        let missing = || Refusal::NotFound { what: "freeze", key: name.to_owned() };
        records.freezes.remove(name).map(drop).ok_or_else(missing).map_err(ApiError::from)
    });
    removed.await?;
    let done = Removed { name: name.to_owned(), hosts: Vec::new() };
    app.audit(person, "freezes.remove", &done).await?;
    app.changed();
    Ok(done)
}
