//! Who asks, and whether they may.

use crate::{
    app::{App, token_hash},
    refusal::{Answer, ApiError, Refusal},
};
use axum::{
    Extension,
    extract::{FromRequestParts, Request, State},
    http::{header, request::Parts},
    middleware::Next,
    response::Response,
};
use refit_protocol::v1::{Right, Whoami};

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Any token.
    Anyone,
    /// Any token, or the secret of a feed in the address: calendar programs cannot send headers.
    AnyoneOrFeed,
    /// A token with one of these rights.
    OneOf(&'static [Right]),
}

/// Lets a request through when its token has what the route needs.
pub(super) async fn guard(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Answer<Response> {
    if needs == Needs::AnyoneOrFeed
        && let Some(secret) = secret_of(&request)
    {
        let feed = app.store.feed_by_secret(&token_hash(secret)).await?;
        let feed = feed.ok_or(Refusal::TokenUnknown)?;
        request.extensions_mut().insert(feed);
        return Ok(next.run(request).await);
    }
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Refusal::TokenMissing)?;
    let person = person_of(&app, token.trim()).await?;
    if let Needs::OneOf(rights) = needs
        && !rights.iter().any(|right| person.rights.contains(right))
    {
        let (name, found) = (person.name, person.rights);
        return Err(Refusal::RightMissing { person: name, expected: rights.to_vec(), found }.into());
    }
    request.extensions_mut().insert(person);
    Ok(next.run(request).await)
}

fn secret_of(request: &Request) -> Option<&str> {
    request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("secret="))
}

/// The person that a token belongs to.
pub(crate) async fn person_of(app: &App, token: &str) -> Answer<Whoami> {
    let user = app.store.user_by_token(&token_hash(token)).await?.ok_or(Refusal::TokenUnknown)?;
    Ok(Whoami { name: user.name, rights: user.rights })
}

/// Who asks, as the guard found out.
pub(super) struct Person(pub(super) Whoami);

impl FromRequestParts<App> for Person {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Answer<Self> {
        let person = Extension::<Whoami>::from_request_parts(parts, &()).await;
        person.map(|Extension(person)| Self(person)).map_err(|_| Refusal::TokenMissing.into())
    }
}
