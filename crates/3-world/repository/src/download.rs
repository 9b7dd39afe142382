//! Fetching one target: length and digest are proven before anybody sees it, and a broken transfer goes on where it stopped.

use crate::{
    Limits, RepositoryError,
    digests::{Digests, Hasher},
    transport::{Fault, Incoming, file_path, first_byte},
};
use reqwest::{
    StatusCode,
    header::{CONTENT_RANGE, RANGE},
};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};
use url::Url;

/// Tries in a row that bring next to nothing; more than a window's least bytes start the count again.
const TRIES_MAX: u32 = 4;
/// First pause between tries; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);
const BLOCK_BYTES: usize = 256 << 10;

/// One target as signed metadata describes it.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) url: Url,
    pub(crate) length: u64,
    pub(crate) digests: Digests,
}

impl Wanted<'_> {
    fn check(&self, length: u64, found: Hasher) -> Result<(), RepositoryError> {
        if length != self.length {
            return Err(RepositoryError::LengthMismatch {
                what: self.name.to_owned(),
                expected: self.length,
                found: length,
            });
        }
        found.check(self.name, &self.digests)
    }
}

/// How targets are fetched.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) http: &'a reqwest::Client,
    pub(crate) limits: &'a Limits,
}

/// The bytes of a small target.
pub(crate) async fn read(way: Way<'_>, wanted: &Wanted<'_>) -> Result<Vec<u8>, RepositoryError> {
    let mut body = Vec::new();
    let mut tries = 0;
    loop {
        body.clear();
        match transfer(way, wanted, 0, &mut body).await {
            Ok(()) => break,
            Err(fault) => pause_or_fail(wanted, fault, &mut tries, false).await?,
        }
    }
    let mut hasher = wanted.digests.hasher();
    hasher.update(&body);
    wanted.check(body.len() as u64, hasher)?;
    Ok(body)
}

/// Brings a target to `out`: through a `.partial` file beside it, which a later call continues.
pub(crate) async fn save(
    way: Way<'_>,
    wanted: &Wanted<'_>,
    out: &Path,
) -> Result<(), RepositoryError> {
    if is_there(wanted, out).await {
        return Ok(());
    }
    let partial = partial_path(out);
    let failed = || RepositoryError::io("write", partial.clone());
    let mut tries = 0;
    loop {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&partial)
            .await
            .map_err(failed())?;
        let mut start = file.metadata().await.map_err(failed())?.len();
        if start > wanted.length {
            file.set_len(0).await.map_err(failed())?;
            start = 0;
        }
        file.seek(io::SeekFrom::Start(start)).await.map_err(failed())?;
        if start == wanted.length && start > 0 {
            break;
        }
        let result = transfer(way, wanted, start, &mut file).await;
        file.sync_all().await.map_err(failed())?;
        let now = file.metadata().await.map_err(failed())?.len();
        // A server that drips, or sends a byte and hangs up, makes no progress.
        let progress = now >= start.saturating_add(way.limits.window_bytes_min);
        match result {
            Ok(()) => break,
            Err(fault @ Fault::TooLarge(_)) => {
                // Bytes beyond the signed length prove that the rest is not to be continued either.
                remove(&partial).await?;
                return Err(RepositoryError::from_fault(&wanted.url, fault));
            }
            Err(fault) => pause_or_fail(wanted, fault, &mut tries, progress).await?,
        }
    }
    let (length, found) = digest_of(&partial, &wanted.digests).await?;
    if let Err(error) = wanted.check(length, found) {
        // What is wrong once is wrong on the next try too: begin anew.
        remove(&partial).await?;
        return Err(error);
    }
    tokio::fs::rename(&partial, out).await.map_err(RepositoryError::io("write", out))?;
    let folder = out.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .await
        .map_err(RepositoryError::io("open", folder))?
        .sync_all()
        .await
        .map_err(RepositoryError::io("write", folder))
}

async fn remove(path: &Path) -> Result<(), RepositoryError> {
    tokio::fs::remove_file(path).await.map_err(RepositoryError::io("remove", path))
}

/// Whether the very file is in its place already.
pub(crate) async fn is_there(wanted: &Wanted<'_>, out: &Path) -> bool {
    let same_length = tokio::fs::symlink_metadata(out)
        .await
        .is_ok_and(|there| there.is_file() && there.len() == wanted.length);
    same_length
        && digest_of(out, &wanted.digests)
            .await
            .is_ok_and(|(length, found)| wanted.check(length, found).is_ok())
}

fn partial_path(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    out.with_file_name(name)
}

async fn pause_or_fail(
    wanted: &Wanted<'_>,
    fault: Fault,
    tries: &mut u32,
    progress: bool,
) -> Result<(), RepositoryError> {
    *tries = if progress { 1 } else { *tries + 1 };
    let transient = match &fault {
        Fault::Slow { .. } | Fault::CutShort { .. } => true,
        Fault::Status(status) => {
            status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
        }
        // A connection that breaks; addresses that make no sense are builder errors.
        Fault::Http(error) => !error.is_builder(),
        _ => false,
    };
    if !transient || *tries >= TRIES_MAX {
        return Err(RepositoryError::from_fault(&wanted.url, fault));
    }
    tokio::time::sleep(PAUSE * 2_u32.pow(*tries)).await;
    Ok(())
}

/// Appends what lies behind `start`, never more than the target has.
async fn transfer<W: tokio::io::AsyncWrite + Unpin + Rewind>(
    way: Way<'_>,
    wanted: &Wanted<'_>,
    start: u64,
    out: &mut W,
) -> Result<(), Fault> {
    let limit = || Fault::TooLarge(refit_names::ByteSize(wanted.length));
    if wanted.url.scheme() == "file" {
        let mut file = match File::open(file_path(&wanted.url)?).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::Missing),
            other => other?,
        };
        file.seek(io::SeekFrom::Start(start)).await?;
        let copied = tokio::io::copy(&mut file.take(wanted.length - start + 1), out).await?;
        out.flush().await?;
        return if start + copied > wanted.length { Err(limit()) } else { Ok(()) };
    }
    let mut request = way.http.get(wanted.url.clone());
    if start > 0 {
        request = request.header(RANGE, format!("bytes={start}-"));
    }
    let mut incoming = Incoming::open(request, &wanted.url, way.limits).await?;
    let mut at = start;
    if incoming.response.status() == StatusCode::PARTIAL_CONTENT {
        check_range(&incoming.response, start)?;
    } else if start > 0 {
        // A server that knows no ranges begins again, and so do we.
        out.rewind().await?;
        at = 0;
    }
    if incoming.announced().is_some_and(|length| length > wanted.length - at) {
        return Err(limit());
    }
    while let Some(part) = incoming.next().await? {
        at += part.len() as u64;
        if at > wanted.length {
            return Err(limit());
        }
        out.write_all(&part).await?;
    }
    out.flush().await?;
    Ok(())
}

/// The part that was asked for, and no other.
fn check_range(response: &reqwest::Response, start: u64) -> Result<(), Fault> {
    let header = response.headers().get(CONTENT_RANGE);
    let found = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = first_byte(found);
    if start > 0 && first == Some(start) {
        return Ok(());
    }
    Err(Fault::WrongRange { expected: start, found: found.to_owned() })
}

/// Something that can be emptied.
trait Rewind {
    async fn rewind(&mut self) -> io::Result<()>;
}

impl Rewind for File {
    async fn rewind(&mut self) -> io::Result<()> {
        self.set_len(0).await?;
        self.seek(io::SeekFrom::Start(0)).await.map(|_| ())
    }
}

impl Rewind for Vec<u8> {
    async fn rewind(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// Length and digests of a file.
async fn digest_of(path: &Path, digests: &Digests) -> Result<(u64, Hasher), RepositoryError> {
    let failed = || RepositoryError::io("read", path);
    let mut file = File::open(path).await.map_err(failed())?;
    let (mut hasher, mut length, mut block) = (digests.hasher(), 0, vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut block).await.map_err(failed())? {
            0 => return Ok((length, hasher)),
            count => {
                hasher.update(&block[..count]);
                length += count as u64;
            }
        }
    }
}
