//! Who hears of which events, and what was sent.

use super::{
    answers::{Asked, Named},
    auth::Person,
};
use crate::{
    app::App,
    body::Json as Body,
    findings, notify,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State};
use refit_protocol::v1::{
    ChannelCreated, ChannelTarget, ChannelView, DeliveryState, DeliveryView, EventKind, EventView,
    Finding, NewChannel,
};
use refit_store::notify::{ChannelRow, EventRow};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Events in one answer.
const EVENTS_MAX: u64 = 500;
const EVENTS_USUAL: u64 = 50;

pub(super) async fn channels(State(app): State<App>) -> Answer<Json<Vec<ChannelView>>> {
    Ok(Json(app.store.channels().await?.into_iter().map(view).collect()))
}

pub(super) async fn add(
    State(app): State<App>,
    Person(person): Person,
    Body(new): Body<NewChannel>,
) -> Answer<Json<ChannelCreated>> {
    let unfit = |what| Refusal::Channel { what };
    notify::check(&new.target, new.password.as_deref()).map_err(unfit)?;
    let (secret, shown) = match &new.target {
        ChannelTarget::Webhook { .. } => {
            let secret = notify::new_secret(&app);
            (secret.clone(), Some(secret))
        }
        ChannelTarget::Mail { .. } => (new.password.unwrap_or_default(), None),
    };
    let events = if new.events.is_empty() { BTreeSet::from(EventKind::ALL) } else { new.events };
    let row = ChannelRow {
        id: format!("ch-{}", &app.ambient.token()[..8]),
        target: new.target,
        events,
        secret: app.seal.seal(&secret).map_err(unfit)?,
        made_by: person.name.clone(),
        made_at: app.now(),
        disabled: None,
    };
    app.store.add_channel(&row).await?;
    let channel = view(row);
    app.audit(&person.name, "notify.add", &channel).await?;
    Ok(Json(ChannelCreated { channel, secret: shown }))
}

pub(super) async fn remove(
    State(app): State<App>,
    Person(person): Person,
    Named(id): Named<String>,
) -> Answer<Json<ChannelView>> {
    let channel = one(&app, &id).await?;
    app.store.remove_channel(&id).await?;
    let channel = view(channel);
    app.audit(&person.name, "notify.remove", &channel).await?;
    Ok(Json(channel))
}

/// Sends a test event to this channel only; the answer does not wait for it.
pub(super) async fn test(
    State(app): State<App>,
    Person(person): Person,
    Named(id): Named<String>,
) -> Answer<Json<EventView>> {
    let channel = one(&app, &id).await?;
    let event = findings::event_id(&app);
    let text = format!("test of channel {id} by {} at {}", person.name, app.now());
    let found = [(format!("test:{event}"), Finding::Test { text })];
    app.store.announce(&event, EventKind::Test, &found, &[channel.id], app.now()).await?;
    app.deliveries.notify_one();
    app.audit(&person.name, "notify.test", &id).await?;
    let event = app.store.event(&event).await?;
    Ok(Json(views(&app, vec![event]).await?.remove(0)))
}

/// How many.
#[derive(Deserialize)]
pub(super) struct Limit {
    #[serde(default)]
    limit: Option<u64>,
}

pub(super) async fn events(
    State(app): State<App>,
    Asked(asked): Asked<Limit>,
) -> Answer<Json<Vec<EventView>>> {
    let limit = asked.limit.unwrap_or(EVENTS_USUAL).clamp(1, EVENTS_MAX);
    Ok(Json(newest(&app, limit).await?))
}

/// The newest events with their deliveries; the same for API and console.
pub(crate) async fn newest(app: &App, limit: u64) -> Answer<Vec<EventView>> {
    views(app, app.store.events(limit).await?).await
}

async fn one(app: &App, id: &str) -> Answer<ChannelRow> {
    let missing = || Refusal::NotFound { what: "channel", key: id.to_owned() };
    let found = app.store.channels().await?.into_iter().find(|channel| channel.id == id);
    Ok(found.ok_or_else(missing)?)
}

fn view(row: ChannelRow) -> ChannelView {
    let ChannelRow { id, target, events, made_by, made_at, disabled, .. } = row;
    ChannelView { id, target, events, made_by, made_at, disabled }
}

async fn views(app: &App, events: Vec<EventRow>) -> Answer<Vec<EventView>> {
    let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
    let channels = app.store.channels().await?;
    let mut deliveries: BTreeMap<String, Vec<DeliveryView>> = BTreeMap::new();
    for row in app.store.deliveries(&ids).await? {
        let channel = channels.iter().find(|channel| channel.id == row.channel);
        let view = DeliveryView {
            address: channel.map(|channel| channel.target.address().to_owned()).unwrap_or_default(),
            channel: row.channel,
            state: row.state,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            last_at: row.last_at,
            next_at: (row.state == DeliveryState::Pending).then_some(row.next_at),
            problem: row.problem,
        };
        deliveries.entry(row.event).or_default().push(view);
    }
    let view = |event: EventRow| EventView {
        deliveries: deliveries.remove(&event.id).unwrap_or_default(),
        id: event.id,
        kind: event.kind,
        at: event.at,
        findings: event.findings,
    };
    Ok(events.into_iter().map(view).collect())
}
