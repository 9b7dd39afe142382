//! One request and its answer, with every failure told apart.

use crate::error::ClientError;
use refit_protocol::{Problem, problem::PROBLEM_JSON};
use reqwest::{RequestBuilder, Response, StatusCode, header::CONTENT_TYPE};
use rustls::AlertDescription as Alert;
use serde::de::DeserializeOwned;
use std::{error::Error, time::Duration};
use url::Url;

/// Longest JSON answer: a rollout of 50,000 hosts with their evidence is about 60 MiB.
pub(crate) const JSON_BYTES_MAX: usize = 128 << 20;
/// A problem is a few lines, or one line for each of 100,000 wrong rows of an import.
const PROBLEM_BYTES_MAX: usize = 64 << 20;
/// Longest time for an ordinary call; what takes longer on the server is a task there, not a call.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A server on the other side of the world over a bad line answers a connection within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client over `config`; none: the machine's own trust.
pub(crate) fn client(config: Option<rustls::ClientConfig>) -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("refit/", env!("CARGO_PKG_VERSION")));
    let builder = match config {
        Some(config) => builder.tls_backend_preconfigured(config),
        None => builder,
    };
    builder.build().map_err(ClientError::Setup)
}

/// `base` with `path` behind it.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, ClientError> {
    base.join(path)
        .map_err(|error| ClientError::Address { url: base.to_string(), what: error.to_string() })
}

/// Reads an address that a person gave.
pub(crate) fn address(text: &str) -> Result<Url, ClientError> {
    let wrong = |what: String| ClientError::Address { url: text.to_owned(), what };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("expected https://HOST:PORT".to_owned()));
    }
    Ok(url)
}

/// Sends and makes every status but success an error.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, ClientError> {
    let response = request.send().await.map_err(classify)?;
    if response.status().is_success() {
        return Ok(response);
    }
    Err(problem(response).await)
}

/// Sends and reads the JSON answer.
pub(crate) async fn send_json<T: DeserializeOwned>(
    request: RequestBuilder,
) -> Result<T, ClientError> {
    let response = send(request).await?;
    let url = response.url().to_string();
    let body = body(response, JSON_BYTES_MAX).await?;
    serde_json::from_slice(&body)
        .map_err(|error| ClientError::BadAnswer { url, what: error.to_string() })
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn body(mut response: Response, max: usize) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        if bytes.len() + chunk.len() > max {
            return Err(ClientError::BadAnswer {
                url: response.url().to_string(),
                what: format!("longer than {max} bytes"),
            });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn problem(response: Response) -> ClientError {
    let status = response.status();
    let url = response.url().to_string();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with(PROBLEM_JSON)) {
        return without_problem(status, url);
    }
    match body(response, PROBLEM_BYTES_MAX).await {
        Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => ClientError::Problem(problem),
            Err(_) => without_problem(status, url),
        },
        Err(error) => error,
    }
}

fn without_problem(status: StatusCode, url: String) -> ClientError {
    ClientError::BadAnswer { url, what: format!("status {status} without a problem") }
}

/// Tells apart: not reachable, our certificate refused, their certificate not trusted.
pub(crate) fn classify(error: reqwest::Error) -> ClientError {
    let server =
        error.url().map_or_else(|| "?".to_owned(), |url| url.origin().ascii_serialization());
    match tls_error(&error) {
        Some(source @ rustls::Error::AlertReceived(alert)) if about_our_certificate(*alert) => {
            ClientError::CertificateRefused { server, source: source.clone() }
        }
        Some(source @ rustls::Error::InvalidCertificate(_)) => {
            ClientError::ServerNotTrusted { server, source: source.clone().into() }
        }
        _ => ClientError::Unreachable { server, source: error.without_url() },
    }
}

const fn about_our_certificate(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired
    )
}

/// The TLS error that hides in the chain; `io::Error` does not show its inside as a source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
