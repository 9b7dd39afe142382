//! One-time tokens for hosts.

use super::auth::Person;
use crate::{
    app::{App, token_hash},
    body,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State, http::StatusCode};
use jiff::SignedDuration;
use refit_protocol::v1::{EnrolmentToken, NewEnrolmentToken};
use refit_store::enrolment::EnrolmentRow;

/// What enrolment tokens begin with.
const TOKEN_PREFIX: &str = "rft1";
/// A token that lives longer than a month lies about.
const LIFE_MS_MAX: u64 = 31 * 24 * 3_600_000;

pub(super) async fn add(
    State(app): State<App>,
    Person(person): Person,
    body::Json(new): body::Json<NewEnrolmentToken>,
) -> Answer<(StatusCode, Json<EnrolmentToken>)> {
    if new.expires_in_ms == 0 || new.expires_in_ms > LIFE_MS_MAX {
        let (expected, found) = (format!("1 to {LIFE_MS_MAX}"), new.expires_in_ms.to_string());
        return Err(Refusal::OutOfRange { field: "expires_in_ms", expected, found }.into());
    }
    let life = SignedDuration::from_millis(i64::try_from(new.expires_in_ms).unwrap_or(i64::MAX));
    let expires_at = app.now() + life;
    let token =
        format!("{TOKEN_PREFIX}.{}.{}", app.authority.fingerprint().to_hex(), app.ambient.token());
    let row = EnrolmentRow {
        token_hash: token_hash(&token),
        host: new.host.clone(),
        site: new.site.clone(),
        role: new.role.clone(),
        expires_at,
    };
    app.store.add_enrolment(&row).await?;
    app.audit(&person.name, "enrolment.add", &new).await?;
    Ok((StatusCode::CREATED, Json(EnrolmentToken { token, expires_at })))
}
