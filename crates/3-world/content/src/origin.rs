//! Where a bundle is: a server that knows ranges, or a folder.

use crate::{ContentError, ranges::Range};
use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, RANGE},
};
use std::{
    fs::File,
    io::{self, Read, Seek},
    time::Duration,
};
use url::Url;

/// Longest silence in the middle of a transfer.
const STALL_MAX: Duration = Duration::from_secs(30);
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
    pub(crate) async fn open(&self, range: &Range, whole: u64) -> Result<Incoming, ContentError> {
        match self.url.scheme() {
            "http" | "https" => self.open_server(range, whole).await,
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

    async fn open_server(&self, range: &Range, whole: u64) -> Result<Incoming, ContentError> {
        let url = || self.url.to_string();
        let request = self
            .http
            .get(self.url.clone())
            .header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        let response = tokio::time::timeout(STALL_MAX, request.send())
            .await
            .map_err(|_| ContentError::Stalled { url: url(), silence: STALL_MAX })?
            .map_err(|source| ContentError::Unreachable { url: url(), source })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            status if status.is_success() => {
                return Err(ContentError::RangeIgnored { url: url(), status });
            }
            status => return Err(ContentError::Status { url: url(), status }),
        }
        let expected = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
        let found = response
            .headers()
            .get(CONTENT_RANGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("none");
        // A server may not know the whole length; the range itself must be the one that was asked for.
        let unknown = format!("bytes {}-{}/*", range.start, range.end - 1);
        if found != expected && found != unknown {
            return Err(ContentError::WrongRange { url: url(), expected, found: found.to_owned() });
        }
        Ok(Incoming::Server(response, url()))
    }
}

impl Incoming {
    /// The next bytes, or none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        match self {
            Self::Server(response, url) => tokio::time::timeout(STALL_MAX, response.chunk())
                .await
                .map_err(|_| ContentError::Stalled { url: url.clone(), silence: STALL_MAX })?
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
