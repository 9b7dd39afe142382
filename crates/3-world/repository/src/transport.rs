//! Fetching metadata over the caller's own HTTP client, or from a folder, with limits in size and time.

use bytes::{Bytes, BytesMut};
use refit_names::ByteSize;
use reqwest::StatusCode;
use std::{io, path::PathBuf, time::Duration};
use tokio::io::AsyncReadExt;
use url::Url;

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

/// Fetches one metadata file of at most `max`.
pub(crate) async fn bring(
    http: &reqwest::Client,
    url: &Url,
    max: ByteSize,
) -> Result<Bytes, Fault> {
    let fetch = async {
        match url.scheme() {
            "file" => from_folder(url, max).await,
            "http" | "https" => from_server(http, url, max).await,
            other => Err(Fault::Scheme(other.to_owned())),
        }
    };
    tokio::time::timeout(METADATA_TIME_MAX, fetch)
        .await
        .map_err(|_| Fault::Stalled(METADATA_TIME_MAX))?
}

async fn from_server(http: &reqwest::Client, url: &Url, max: ByteSize) -> Result<Bytes, Fault> {
    let mut response = http.get(url.clone()).send().await.map_err(Fault::Http)?;
    refuse_status(response.status())?;
    let mut body = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(Fault::Http)? {
        if (body.len() + part.len()) as u64 > max.0 {
            return Err(Fault::TooLarge(max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
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
