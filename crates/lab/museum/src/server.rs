//! A server that offers a folder and misbehaves for the paths that it was told to. Loopback only.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Longest request that the server reads.
const REQUEST_LINES_MAX: usize = 100;

/// What it does instead of answering honestly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misdeed {
    /// Never stops sending.
    Endless,
    /// Sends one byte, then waits so long.
    Drip(Duration),
    /// Takes the request and says nothing.
    Silence,
    /// Announces the whole length and hangs up after so many bytes.
    HangUp(usize),
    /// Answers every range with the file's beginning, as if that had been asked for; whole requests end in the middle.
    OtherRange,
    /// Announces another length than it has, and sends as many bytes.
    Length(u64),
    /// Sends to another address.
    Redirect(String),
    /// Answers with this status.
    Status(u16),
    /// Answers with something else.
    Junk(&'static str),
}

/// The server; ends when it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Offers `dir`. Paths that contain the text of `misdeed` are answered with it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(dir: PathBuf, misdeeds: Vec<(&'static str, Misdeed)>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let sent = Arc::new(AtomicU64::new(0));
        let (counter, misdeeds) = (sent.clone(), Arc::new(misdeeds));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (dir, misdeeds, counter) = (dir.clone(), misdeeds.clone(), counter.clone());
                // A client that hangs up is no news.
                tokio::spawn(async move { drop(answer(stream, &dir, &misdeeds, &counter).await) });
            }
        });
        Ok(Self { address, sent, task })
    }

    /// Bytes of bodies that were handed to the network.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

async fn answer(
    mut stream: TcpStream,
    dir: &Path,
    misdeeds: &[(&str, Misdeed)],
    sent: &AtomicU64,
) -> io::Result<()> {
    let Some((path, start)) = request(&mut stream).await? else { return Ok(()) };
    let misdeed = misdeeds.iter().find(|(part, _)| path.contains(part)).map(|(_, what)| what);
    let whole = std::fs::read(dir.join(path.trim_start_matches('/'))).ok();
    let (Some(whole), kind) = (whole, misdeed) else {
        return head(&mut stream, "404 Not Found", &[("content-length", "0".to_owned())]).await;
    };
    let Some(kind) = kind else { return honest(&mut stream, &whole, start, sent).await };
    let length = |count: usize| ("content-length", count.to_string());
    match kind {
        Misdeed::Endless => {
            head(&mut stream, "200 OK", &[]).await?;
            loop {
                body(&mut stream, &[b'x'; 8192], sent).await?;
            }
        }
        Misdeed::Drip(pause) => {
            head(&mut stream, "200 OK", &[length(whole.len())]).await?;
            for byte in whole {
                body(&mut stream, &[byte], sent).await?;
                tokio::time::sleep(*pause).await;
            }
            Ok(())
        }
        Misdeed::Silence => std::future::pending().await,
        Misdeed::HangUp(after) => {
            head(&mut stream, "200 OK", &[length(whole.len())]).await?;
            body(&mut stream, &whole[..whole.len().min(*after)], sent).await
        }
        Misdeed::OtherRange if start == 0 => {
            head(&mut stream, "200 OK", &[length(whole.len())]).await?;
            body(&mut stream, &whole[..whole.len() / 2], sent).await
        }
        Misdeed::OtherRange => {
            let rest = whole.len() - start.min(whole.len());
            let range = format!("bytes 0-{}/{}", rest.saturating_sub(1), whole.len());
            let headers = [length(rest), ("content-range", range)];
            head(&mut stream, "206 Partial Content", &headers).await?;
            body(&mut stream, &whole[..rest], sent).await
        }
        Misdeed::Length(other) => {
            head(&mut stream, "200 OK", &[("content-length", other.to_string())]).await?;
            let mut left = usize::try_from(*other).unwrap_or(usize::MAX);
            let first = &whole[..whole.len().min(left)];
            body(&mut stream, first, sent).await?;
            left -= first.len();
            while left > 0 {
                let block = &[b'x'; 8192][..left.min(8192)];
                body(&mut stream, block, sent).await?;
                left -= block.len();
            }
            Ok(())
        }
        Misdeed::Redirect(to) => {
            let headers = [length(0), ("location", to.clone())];
            head(&mut stream, "302 Found", &headers).await
        }
        Misdeed::Status(status) => head(&mut stream, &format!("{status} No"), &[length(0)]).await,
        Misdeed::Junk(text) => {
            head(&mut stream, "200 OK", &[length(text.len())]).await?;
            body(&mut stream, text.as_bytes(), sent).await
        }
    }
}

async fn honest(
    stream: &mut TcpStream,
    whole: &[u8],
    start: usize,
    sent: &AtomicU64,
) -> io::Result<()> {
    let part = whole.get(start..).unwrap_or_default();
    let length = ("content-length", part.len().to_string());
    if start == 0 {
        head(stream, "200 OK", &[length]).await?;
    } else {
        let range = format!("bytes {start}-{}/{}", whole.len().saturating_sub(1), whole.len());
        head(stream, "206 Partial Content", &[length, ("content-range", range)]).await?;
    }
    body(stream, part, sent).await
}

/// The path and the first byte that is asked for.
async fn request(stream: &mut TcpStream) -> io::Result<Option<(String, usize)>> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next_line().await? else { return Ok(None) };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut start = 0;
    for _ in 0..REQUEST_LINES_MAX {
        let Some(line) = lines.next_line().await? else { break };
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap_or(0);
        }
    }
    Ok(Some((path, start)))
}

async fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, String)]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await
}

async fn body(stream: &mut TcpStream, part: &[u8], sent: &AtomicU64) -> io::Result<()> {
    stream.write_all(part).await?;
    sent.fetch_add(part.len() as u64, Ordering::Relaxed);
    stream.flush().await
}
