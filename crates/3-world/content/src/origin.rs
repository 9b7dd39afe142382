//! Where a bundle is: a server that knows ranges, or a folder.

use crate::{ContentError, Patience};
use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, DATE, RANGE, RETRY_AFTER},
};
use std::{
    fs::File,
    io::{self, Read, Seek},
    ops::Range,
    time::Duration,
};
use url::Url;

const BLOCK_BYTES: u64 = 64 << 10;

/// The address of a bundle, and the client that reaches it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Carries the caller's certificates.
    pub http: reqwest::Client,
    /// The bundle itself: http, https or file.
    pub url: Url,
}

/// A range on its way.
pub(crate) enum Incoming {
    Server(Response, String),
    Folder(io::Take<File>, Url),
}

impl Origin {
    /// Asks for one range. `whole` is the bundle's length as the record has it.
    pub(crate) async fn open(
        &self,
        range: Range<u64>,
        whole: u64,
        patience: &Patience,
    ) -> Result<Incoming, ContentError> {
        match self.url.scheme() {
            "http" | "https" => self.open_server(range, whole, patience).await,
            "file" => {
                let path = self
                    .url
                    .to_file_path()
                    .map_err(|()| ContentError::Address { url: self.url.to_string() })?;
                let open = || -> io::Result<File> {
                    let mut file = File::open(&path)?;
                    file.seek(io::SeekFrom::Start(range.start))?;
                    Ok(file)
                };
                let file = open().map_err(ContentError::io("read", &path))?;
                Ok(Incoming::Folder(file.take(range.end - range.start), self.url.clone()))
            }
            _ => Err(ContentError::Address { url: self.url.to_string() }),
        }
    }

    async fn open_server(
        &self,
        range: Range<u64>,
        whole: u64,
        patience: &Patience,
    ) -> Result<Incoming, ContentError> {
        let (url, silence) = (|| self.url.to_string(), patience.silence);
        let request = self
            .http
            .get(self.url.clone())
            // Chunks are compressed already, and a range of something compressed would be another range.
            .header(ACCEPT_ENCODING, "identity")
            .header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        let response = tokio::time::timeout(silence, request.send())
            .await
            .map_err(|_| ContentError::Stalled { url: url(), silence })?
            .map_err(|source| ContentError::Unreachable { url: url(), source })?;
        let answered = response.url();
        if answered.origin() != self.url.origin() {
            return Err(ContentError::Redirected { url: url(), to: answered.to_string() });
        }
        let status = response.status();
        match status {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let retry_after = retry_after(&response);
                return Err(ContentError::Busy { url: url(), status, retry_after });
            }
            status if status.is_success() => {
                return Err(ContentError::RangeIgnored { url: url(), status });
            }
            status => return Err(ContentError::Status { url: url(), status }),
        }
        if let Some(found) = header(&response, CONTENT_ENCODING).filter(|it| *it != "identity") {
            return Err(ContentError::Encoded { url: url(), found: found.to_owned() });
        }
        let expected = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
        let found = header(&response, CONTENT_RANGE).unwrap_or("none");
        // A server may not know the whole length; the range itself must be the one that was asked for.
        let unknown = format!("bytes {}-{}/*", range.start, range.end - 1);
        if found != expected && found != unknown {
            return Err(ContentError::WrongRange { url: url(), expected, found: found.to_owned() });
        }
        let expected = range.end - range.start;
        if response.content_length().is_some_and(|length| length > expected) {
            return Err(ContentError::TooLong { url: url(), expected });
        }
        Ok(Incoming::Server(response, url()))
    }
}

/// Seconds, or a moment by the server's own clock.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = header(response, RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = |text| jiff::fmt::rfc2822::parse(text).map(|moment| moment.timestamp()).ok();
    let wait = moment(text)?.duration_since(moment(header(response, DATE)?)?);
    Some(wait.try_into().unwrap_or(Duration::ZERO))
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

impl Incoming {
    /// The next bytes, or none at the end.
    pub(crate) async fn next(&mut self, silence: Duration) -> Result<Option<Bytes>, ContentError> {
        match self {
            Self::Server(response, url) => tokio::time::timeout(silence, response.chunk())
                .await
                .map_err(|_| ContentError::Stalled { url: url.clone(), silence })?
                .map_err(|source| ContentError::Unreachable { url: url.clone(), source }),
            Self::Folder(file, url) => {
                let mut block = Vec::new();
                file.by_ref()
                    .take(BLOCK_BYTES)
                    .read_to_end(&mut block)
                    .map_err(ContentError::io("read", url.path()))?;
                Ok((!block.is_empty()).then(|| block.into()))
            }
        }
    }
}
