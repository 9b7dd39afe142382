//! Feeds for calendar programs: openings and freezes, or the hosts of plans.

use super::load;
use crate::{
    app::{App, token_hash},
    campaign::Campaign,
    people,
    refusal::Answer,
};
use jiff::SignedDuration;
use refit_calendar::Calendar;
use refit_calendar::ics::{Event, write};
use refit_names::{PersonName, TimeClass};
use refit_plan::{Plan, PlannedHost};
use refit_protocol::v1::{FeedCreated, FeedQuery, FeedView, NewFeed, PREFIX};

/// A feed shows what was: a week.
const BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// And what comes: half a year; clients ask again every few hours.
const AHEAD: SignedDuration = SignedDuration::from_hours(183 * 24);
/// Characters of a secret that identify its feed: long enough to be unique, too short to guess the rest.
const ID_LENGTH: usize = 12;

/// A feed with its secret, which is shown once.
pub(crate) struct NewFeedSecret(pub(crate) FeedCreated);

impl NewFeedSecret {
    /// Makes a feed; only the hash of its secret is kept.
    pub(crate) async fn make(app: &App, person: &PersonName, new: NewFeed) -> Answer<Self> {
        let secret = app.ambient.token();
        let hash = token_hash(&secret);
        let id: String = hash.to_hex().chars().take(ID_LENGTH).collect();
        let view = FeedView {
            id: id.clone(),
            of: new.of,
            about: new.about,
            made_by: person.clone(),
            made_at: app.now(),
        };
        app.store.add_feed(&view, &hash).await?;
        app.audit(person, "feeds.add", &view).await?;
        let path = format!("{PREFIX}/windows.ics?secret={secret}");
        Ok(Self(FeedCreated { id, path }))
    }
}

/// The text of a calendar.
pub(crate) async fn feed(app: &App, of: &FeedQuery) -> Answer<String> {
    let events = match of {
        FeedQuery { person: None, rollout: None } => windows(app).await?,
        of => hosts(app, of).await?,
    };
    Ok(write(&events))
}

async fn windows(app: &App) -> Answer<Vec<Event>> {
    let calendar = load(app).await?;
    let (from, until) = (app.now() - BACK, app.now() + AHEAD);
    let mut events = Vec::new();
    for window in calendar.windows() {
        let everything = |freeze: &refit_plan::Freeze| freeze.scope == refit_plan::Scope::default();
        for opening in calendar.openings_where(&window.name, from, until, everything)? {
            events.push(Event {
                uid: format!("{}-{}@refit", window.name, opening.opens_at.as_second()),
                summary: window.name.to_string(),
                description: window.about.clone(),
                starts: opening.opens_at,
                ends: opening.closes_at,
                zone: window.zone.clone(),
                attendees: Vec::new(),
                class: window.class,
            });
        }
    }
    for freeze in calendar.freezes().iter().filter(|freeze| freeze.until > from) {
        events.push(Event {
            uid: format!("freeze-{}@refit", freeze.name),
            summary: format!("freeze {}", freeze.name),
            description: freeze.reason.clone(),
            starts: freeze.from,
            ends: freeze.until,
            zone: "UTC".to_owned(),
            attendees: Vec::new(),
            class: TimeClass::WorkingHours,
        });
    }
    events.sort_by(|one, other| (one.starts, &one.uid).cmp(&(other.starts, &other.uid)));
    Ok(events)
}

/// Hosts with a slot in current plans of campaigns that are not over.
async fn hosts(app: &App, of: &FeedQuery) -> Answer<Vec<Event>> {
    let calendar = load(app).await?;
    if let Some(name) = &of.rollout {
        // So that a wrong name is said, not shown as an empty calendar.
        app.store.rollout::<Campaign>(name).await?;
    }
    let mut events = Vec::new();
    for row in app.store.rollouts::<Campaign>().await? {
        let wanted =
            of.rollout.as_ref().map_or_else(|| row.body.is_open(), |name| *name == row.name);
        let Some(hash) = row.body.rollout.plan().filter(|_| wanted) else { continue };
        let plan = &app.store.plan(&hash).await?.plan;
        let goal = plan.goal();
        for (_, host) in plan.hosts() {
            events.extend(event((plan, &goal), host, of, &calendar));
        }
    }
    events.sort_by(|one, other| (one.starts, &one.uid).cmp(&(other.starts, &other.uid)));
    people::calendar_of_somebody(app, of.person.as_ref(), &events).await?;
    Ok(events)
}

fn event(
    (plan, goal): (&Plan, &str),
    host: &PlannedHost,
    of: &FeedQuery,
    calendar: &Calendar,
) -> Option<Event> {
    let slot = host.slot.as_ref()?;
    if of.person.as_ref().is_some_and(|person| !slot.people.contains(person)) {
        return None;
    }
    let length = host.p95_ms.saturating_add(host.validation_ms);
    let length = SignedDuration::from_millis(i64::try_from(length).unwrap_or(i64::MAX));
    let zone = calendar.window(&slot.opening.window).map(|window| window.zone.clone());
    let ends = slot.starts_at.checked_add(length).unwrap_or(slot.opening.closes_at);
    Some(Event {
        uid: format!("{}-{}@refit", plan.rollout, host.host),
        summary: format!("{}: {goal}", host.host),
        description: format!(
            "rollout {}, window {} until {}\n{}",
            plan.rollout, slot.opening.window, slot.opening.closes_at, host.because
        ),
        starts: slot.starts_at,
        ends,
        zone: zone.unwrap_or_else(|| "UTC".to_owned()),
        attendees: slot.people.iter().cloned().collect(),
        class: slot.class,
    })
}
