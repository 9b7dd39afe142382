//! Backups: what there is, what is asked for, and schedules.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    backups, body,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State, http::StatusCode};
use jiff::tz::TimeZone;
use refit_names::HostName;
use refit_protocol::v1::{BackupRequestView, BackupScheduleView, HostBackups, NewBackupRequest};

/// JSON readers elsewhere keep 53 bits.
const NUMBER_BITS: u32 = 53;

pub(super) async fn all(State(app): State<App>) -> Answer<Json<Vec<HostBackups>>> {
    Ok(Json(backups::views(&app, None).await?))
}

pub(super) async fn one(
    State(app): State<App>,
    Named(host): Named<HostName>,
) -> Answer<Json<HostBackups>> {
    let found = backups::views(&app, Some(&host)).await?.into_iter().next();
    let missing = || Refusal::NotFound { what: "host", key: host.to_string() };
    Ok(Json(found.ok_or_else(missing)?))
}

pub(super) async fn ask(
    State(app): State<App>,
    Person(person): Person,
    Named(host): Named<HostName>,
    body::Json(asked): body::Json<NewBackupRequest>,
) -> Answer<(StatusCode, Json<BackupRequestView>)> {
    let missing = || Refusal::NotFound { what: "host", key: host.to_string() };
    let record = app.store.host(&host).await?.ok_or_else(missing)?;
    if record.product(&asked.product).is_none() {
        let key = format!("{} on host {host}", asked.product);
        return Err(Refusal::NotFound { what: "product", key }.into());
    }
    let mut bytes = [0; 8];
    app.ambient.entropy.fill(&mut bytes);
    let view = BackupRequestView {
        id: u64::from_be_bytes(bytes) >> (u64::BITS - NUMBER_BITS) | 1,
        host,
        product: asked.product,
        deed: asked.deed,
        asked_by: person.name.clone(),
        asked_at: app.now(),
    };
    app.store.add_backup_request(&view).await?;
    app.audit(&person.name, "backup.ask", &view).await?;
    app.changed();
    Ok((StatusCode::CREATED, Json(view)))
}

pub(super) async fn schedules(State(app): State<App>) -> Answer<Json<Vec<BackupScheduleView>>> {
    Ok(Json(app.store.backup_schedules().await?))
}

pub(super) async fn set_schedule(
    State(app): State<App>,
    Person(person): Person,
    body::Json(view): body::Json<BackupScheduleView>,
) -> Answer<Json<BackupScheduleView>> {
    if TimeZone::get(&view.schedule.zone).is_err() {
        let expected = "the name of an IANA time zone, such as `Europe/Berlin`".to_owned();
        let found = view.schedule.zone;
        return Err(Refusal::OutOfRange { field: "schedule.zone", expected, found }.into());
    }
    app.store.put_backup_schedule(&view).await?;
    app.audit(&person.name, "backup.schedule", &view).await?;
    app.changed();
    Ok(Json(view))
}

pub(super) async fn remove_schedule(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<String>,
) -> Answer<Json<BackupScheduleView>> {
    let known = app.store.backup_schedules().await?;
    let missing = || Refusal::NotFound { what: "backup schedule", key: name.clone() };
    let view = known.into_iter().find(|view| view.name == name).ok_or_else(missing)?;
    app.store.remove_backup_schedule(&name).await?;
    app.audit(&person.name, "backup.unschedule", &view).await?;
    app.changed();
    Ok(Json(view))
}
