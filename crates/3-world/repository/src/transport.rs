//! Fetching metadata over the caller's own HTTP client, or from a folder, with limits in size and time.

use crate::limits::{Limits, is_same_server};
use bytes::{Bytes, BytesMut};
use refit_names::ByteSize;
use reqwest::{Response, StatusCode};
use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt;
use url::Url;

/// Why one file did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("there is no such file")]
    Missing,
    #[error("server answered {0}")]
    Status(StatusCode),
    #[error("it is larger than {0}")]
    TooLarge(ByteSize),
    #[error("{received} bytes came in {within:?}")]
    Slow { received: u64, within: Duration },
    #[error("it ended after {received} bytes")]
    CutShort { received: u64 },
    #[error("server sends to {to}")]
    Redirected { to: String },
    #[error("expected the bytes from {expected} on, found `{found}`")]
    WrongRange { expected: u64, found: String },
    #[error("address has the scheme `{0}`, expected http, https or file")]
    Scheme(String),
    #[error("{}", refit_names::chain(.0))]
    Http(reqwest::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The first byte that a `Content-Range` header speaks of.
#[must_use]
pub fn first_byte(content_range: &str) -> Option<u64> {
    let (first, _) = content_range.strip_prefix("bytes ")?.split_once('-')?;
    first.parse().ok()
}

/// Fetches one metadata file of at most `max`.
pub(crate) async fn bring(
    http: &reqwest::Client,
    url: &Url,
    max: ByteSize,
    limits: &Limits,
) -> Result<Bytes, Fault> {
    let fetch = async {
        match url.scheme() {
            "file" => from_folder(url, max).await,
            "http" | "https" => from_server(http, url, max, limits).await,
            other => Err(Fault::Scheme(other.to_owned())),
        }
    };
    let within = limits.metadata_time_max;
    tokio::time::timeout(within, fetch).await.map_err(|_| Fault::Slow { received: 0, within })?
}

async fn from_server(
    http: &reqwest::Client,
    url: &Url,
    max: ByteSize,
    limits: &Limits,
) -> Result<Bytes, Fault> {
    let mut incoming = Incoming::open(http.get(url.clone()), url, limits).await?;
    if incoming.announced().is_some_and(|length| length > max.0) {
        return Err(Fault::TooLarge(max));
    }
    let mut body = BytesMut::new();
    while let Some(part) = incoming.next().await? {
        if (body.len() + part.len()) as u64 > max.0 {
            return Err(Fault::TooLarge(max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// An answer that is watched while it comes.
pub(crate) struct Incoming<'a> {
    pub(crate) response: Response,
    limits: &'a Limits,
    received: u64,
    window_began: Instant,
    window_received: u64,
}

impl<'a> Incoming<'a> {
    /// Sends the request; refuses answers of other servers and every status but success.
    pub(crate) async fn open(
        request: reqwest::RequestBuilder,
        url: &Url,
        limits: &'a Limits,
    ) -> Result<Self, Fault> {
        let within = limits.stall_max;
        let response = tokio::time::timeout(within, request.send())
            .await
            .map_err(|_| Fault::Slow { received: 0, within })?
            .map_err(from_error)?;
        if !is_same_server(url, response.url()) {
            return Err(Fault::Redirected { to: response.url().to_string() });
        }
        refuse_status(response.status())?;
        let window_began = Instant::now();
        Ok(Self { response, limits, received: 0, window_began, window_received: 0 })
    }

    /// What the server says that it will send.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece. Silence, dripping and an early end are faults of their own.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let stall = self.limits.stall_max;
        let part = tokio::time::timeout(stall, self.response.chunk())
            .await
            .map_err(|_| Fault::Slow { received: 0, within: stall })?
            .map_err(|error| {
                if error.is_body() || error.is_decode() {
                    Fault::CutShort { received: self.received }
                } else {
                    from_error(error)
                }
            })?;
        let length = part.as_ref().map_or(0, |part| part.len() as u64);
        self.received += length;
        self.window_received += length;
        let within = self.window_began.elapsed();
        if part.is_some() && within >= self.limits.window {
            if self.window_received < self.limits.window_bytes_min {
                return Err(Fault::Slow { received: self.window_received, within });
            }
            (self.window_began, self.window_received) = (Instant::now(), 0);
        }
        Ok(part)
    }
}

fn from_error(error: reqwest::Error) -> Fault {
    if error.is_redirect() {
        let to = error.url().map_or_else(|| "another server".to_owned(), ToString::to_string);
        return Fault::Redirected { to };
    }
    Fault::Http(error)
}

/// Object stores answer 403 for a file that is not there.
pub(crate) fn refuse_status(status: StatusCode) -> Result<(), Fault> {
    match status {
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => Err(Fault::Missing),
        status if status.is_success() => Ok(()),
        status => Err(Fault::Status(status)),
    }
}

async fn from_folder(url: &Url, max: ByteSize) -> Result<Bytes, Fault> {
    let file = match tokio::fs::File::open(file_path(url)?).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::Missing),
        other => other?,
    };
    let mut body = Vec::new();
    file.take(max.0.saturating_add(1)).read_to_end(&mut body).await?;
    if body.len() as u64 > max.0 {
        return Err(Fault::TooLarge(max));
    }
    Ok(body.into())
}

/// The path behind a `file:` address.
///
/// A last component whose decoded form would be a path of its own stays encoded, so that the name of a role cannot lead elsewhere.
pub(crate) fn file_path(url: &Url) -> Result<PathBuf, Fault> {
    let wrong = || {
        Fault::Io(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{url}` is not the address of a file"),
        ))
    };
    let decoded = url.to_file_path().map_err(|()| wrong())?;
    let raw =
        url.path_segments().and_then(|mut segments| segments.next_back()).ok_or_else(wrong)?;
    let folder = url.join(".").map_err(|_| wrong())?.to_file_path().map_err(|()| wrong())?;
    if decoded.parent() == Some(folder.as_path()) { Ok(decoded) } else { Ok(folder.join(raw)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_name_cannot_leave_the_folder() {
        let path = |text: &str| file_path(&Url::parse(text).unwrap()).unwrap();
        assert_eq!(path("file:///a%20b/1.root.json"), PathBuf::from("/a b/1.root.json"));
        assert_eq!(
            path("file:///a/1...%2F..%2Fetc.json"),
            PathBuf::from("/a/1...%2F..%2Fetc.json")
        );
    }
}
