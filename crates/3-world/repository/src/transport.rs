//! Fetching small files over the caller's own HTTP client, or from a folder, with limits in size and time.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use refit_names::ByteSize;
use reqwest::StatusCode;
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::AsyncReadExt;
use tough::{Transport, TransportError, TransportErrorKind, TransportStream};
use url::Url;

/// No metadata file is larger; the library has narrower limits per role.
const METADATA_BYTES_MAX: u64 = 16 << 20;
/// Metadata is small; a server that needs longer is as good as gone.
const METADATA_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest silence in the middle of a file.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(30);

/// Why one file did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("there is no such file")]
    Missing,
    #[error("server answered {0}")]
    Status(StatusCode),
    #[error("it is larger than {0}")]
    TooLarge(ByteSize),
    #[error("nothing came for {0:?}")]
    Stalled(Duration),
    #[error("address has the scheme `{0}`, expected http, https or file")]
    Scheme(String),
    #[error("{}", refit_names::chain(.0))]
    Http(reqwest::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The transport that the library uses; remembers the exact bytes of what it brought, because a mirror must repeat them.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    http: reqwest::Client,
    brought: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl Wire {
    pub(crate) fn new(http: reqwest::Client) -> Self {
        Self { http, brought: Arc::default() }
    }

    /// What was brought, by address.
    pub(crate) fn brought(&self) -> BTreeMap<String, Bytes> {
        self.brought.lock().map(|brought| brought.clone()).unwrap_or_default()
    }

    /// Fetches one metadata file.
    pub(crate) async fn bring(&self, url: &Url) -> Result<Bytes, Fault> {
        let fetch = async {
            match url.scheme() {
                "file" => from_folder(url).await,
                "http" | "https" => self.ask_server(url).await,
                other => Err(Fault::Scheme(other.to_owned())),
            }
        };
        let bytes = tokio::time::timeout(METADATA_TIME_MAX, fetch).await.map_err(|_| Fault::Stalled(METADATA_TIME_MAX))??;
        if let Ok(mut brought) = self.brought.lock() {
            brought.insert(url.to_string(), bytes.clone());
        }
        Ok(bytes)
    }

    async fn ask_server(&self, url: &Url) -> Result<Bytes, Fault> {
        let mut response = self.http.get(url.clone()).send().await.map_err(Fault::Http)?;
        refuse_status(response.status())?;
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(Fault::Http)? {
            if (body.len() + part.len()) as u64 > METADATA_BYTES_MAX {
                return Err(Fault::TooLarge(ByteSize(METADATA_BYTES_MAX)));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }
}

/// Object stores answer 403 for a file that is not there.
pub(crate) fn refuse_status(status: StatusCode) -> Result<(), Fault> {
    match status {
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => Err(Fault::Missing),
        status if status.is_success() => Ok(()),
        status => Err(Fault::Status(status)),
    }
}

async fn from_folder(url: &Url) -> Result<Bytes, Fault> {
    let file = match tokio::fs::File::open(file_path(url)?).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::Missing),
        other => other?,
    };
    let mut body = Vec::new();
    file.take(METADATA_BYTES_MAX + 1).read_to_end(&mut body).await?;
    if body.len() as u64 > METADATA_BYTES_MAX {
        return Err(Fault::TooLarge(ByteSize(METADATA_BYTES_MAX)));
    }
    Ok(body.into())
}

/// The path behind a `file:` address.
///
/// A last component whose decoded form would be a path of its own stays encoded, so that the name of a role cannot lead elsewhere.
pub(crate) fn file_path(url: &Url) -> Result<PathBuf, Fault> {
    let wrong = || Fault::Io(io::Error::new(io::ErrorKind::InvalidInput, format!("`{url}` is not the address of a file")));
    let decoded = url.to_file_path().map_err(|()| wrong())?;
    let raw = url.path_segments().and_then(|mut segments| segments.next_back()).ok_or_else(wrong)?;
    let folder = url.join(".").map_err(|_| wrong())?.to_file_path().map_err(|()| wrong())?;
    if decoded.parent() == Some(folder.as_path()) { Ok(decoded) } else { Ok(folder.join(raw)) }
}

#[async_trait]
impl Transport for Wire {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        match self.bring(&url).await {
            Ok(bytes) => Ok(Box::pin(stream::iter([Ok(bytes)]))),
            Err(fault) => {
                let kind = match fault {
                    Fault::Missing => TransportErrorKind::FileNotFound,
                    Fault::Scheme(_) => TransportErrorKind::UnsupportedUrlScheme,
                    _ => TransportErrorKind::Other,
                };
                Err(TransportError::new_with_cause(kind, url.as_str(), fault))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_name_cannot_leave_the_folder() {
        let path = |text: &str| file_path(&Url::parse(text).unwrap()).unwrap();
        assert_eq!(path("file:///a%20b/1.root.json"), PathBuf::from("/a b/1.root.json"));
        assert_eq!(path("file:///a/1...%2F..%2Fetc.json"), PathBuf::from("/a/1...%2F..%2Fetc.json"));
    }
}
