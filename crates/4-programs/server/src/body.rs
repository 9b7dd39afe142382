//! Reads JSON bodies; what is wrong with one is said as a problem.

use crate::refusal::{Answer, ApiError, Refusal};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
};
use serde::de::DeserializeOwned;

/// A JSON body. An empty one is read as `{}`, so that all-default bodies may be left out.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let read = serde_json::from_slice(text);
        read.map(Self).map_err(|error| Refusal::NotUnderstood { what: error.to_string() }.into())
    }
}

fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::BodyTooLarge { limit: crate::api::BODY_BYTES_MAX }.into();
    }
    Refusal::NotUnderstood { what: rejection.body_text() }.into()
}
