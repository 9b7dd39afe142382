//! Real servers that lie: each is named by a typed error or got over, with limits in force and nothing half installed.

use crate::shelf::{Place, Shelf, size_of};
use refit_content::{
    ContentError, FetchOptions, Fetched, Origin, Patience, Realise, assemble, fetch_with,
    verify_tree,
};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};
use url::Url;

/// What a server does with one request: the range that was asked for, all bytes, and the line to the client.
pub(crate) type Deed = fn(usize, usize, &[u8], &mut TcpStream) -> std::io::Result<()>;

pub(crate) struct Liar {
    pub(crate) url: Url,
    /// Start and end of what was asked for.
    asked: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Liar {
    pub(crate) fn start(bytes: &[u8], deed: Deed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/bundle", listener.local_addr().unwrap())).unwrap();
        let (asked, bytes) = (Arc::new(Mutex::new(Vec::new())), bytes.to_vec());
        let book = Arc::clone(&asked);
        std::thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let (book, bytes) = (Arc::clone(&book), bytes.clone());
                std::thread::spawn(move || serve(line, &book, &bytes, deed));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<(usize, usize)> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request per connection.
fn serve(mut line: TcpStream, book: &Mutex<Vec<(usize, usize)>>, bytes: &[u8], deed: Deed) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && line.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let Some(range) = head.lines().find_map(|line| line.strip_prefix("range: bytes=")) else {
        return;
    };
    let (start, end) = range.trim().split_once('-').unwrap();
    let (start, end) = (start.parse().unwrap(), end.parse::<usize>().unwrap() + 1);
    book.lock().unwrap().push((start, end));
    // The client may be gone: that is its right.
    let _ = deed(start, end, bytes, &mut line);
}

fn head(line: &mut TcpStream, status: &str, fields: &str) -> std::io::Result<()> {
    write!(line, "HTTP/1.1 {status}\r\nconnection: close\r\n{fields}\r\n")
}

pub(crate) fn partial(
    line: &mut TcpStream,
    (start, end, whole): (usize, usize, usize),
    length: usize,
) -> std::io::Result<()> {
    let fields =
        format!("content-range: bytes {start}-{}/{whole}\r\ncontent-length: {length}\r\n", end - 1);
    head(line, "206 Partial Content", &fields)
}

pub(crate) const PATIENCE: Patience = Patience {
    silence: Duration::from_millis(300),
    window: Duration::from_millis(300),
    window_bytes_min: 10_000,
    pause: Duration::from_millis(1),
    tries_max: 3,
};

async fn fetch(shelf: &Shelf, place: &Place, url: &Url) -> Result<Fetched, ContentError> {
    let origin = Origin {
        http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
        url: url.clone(),
    };
    let job = job(shelf, place);
    let options = FetchOptions { patience: PATIENCE, ..FetchOptions::default() };
    let result = fetch_with(&origin, &job, &options).await.map(|report| report.fetched);
    if result.is_err() {
        assert!(matches!(assemble(&job), Err(ContentError::ChunkMissing { .. })));
        assert!(!place.into().exists(), "something was installed");
    } else {
        assemble(&job).unwrap();
        verify_tree(&shelf.entries, place.into()).unwrap();
    }
    // Invariant of the disk: the signed length and one chunk, and what heads of records take.
    let limit = shelf.bytes.len() as u64 + (256 << 10) + 64 * shelf.bundle.chunks.len() as u64;
    assert!(size_of(place.cache()) <= limit, "{} bytes kept", size_of(place.cache()));
    result
}

pub(crate) fn job<'a>(shelf: &'a Shelf, place: &'a Place) -> Realise<'a> {
    Realise {
        entries: &shelf.entries,
        bundle: &shelf.bundle,
        seeds: &[],
        into: place.into(),
        cache: place.cache(),
        progress: &|_| (),
    }
}

#[tokio::test]
async fn lies_are_named_and_asked_only_as_often_as_it_may_help() {
    type Expected = fn(&ContentError) -> bool;
    let table: [(&str, Deed, Expected, usize); 12] = [
        (
            "announces more than was asked for",
            |start, end, all, line| {
                partial(line, (start, end, all.len()), end - start + 1)?;
                line.write_all(&all[start..end])?;
                line.write_all(b"x")
            },
            |error| matches!(error, ContentError::TooLong { .. }),
            1,
        ),
        (
            "never ends",
            |start, end, all, line| {
                let fields = format!(
                    "content-range: bytes {start}-{}/{}\r\ntransfer-encoding: chunked\r\n",
                    end - 1,
                    all.len()
                );
                head(line, "206 Partial Content", &fields)?;
                loop {
                    line.write_all(b"10000\r\n")?;
                    line.write_all(&vec![7; 0x10000])?;
                    line.write_all(b"\r\n")?;
                }
            },
            |error| {
                matches!(error, ContentError::ChunkDamaged { .. } | ContentError::TooLong { .. })
            },
            1,
        ),
        (
            "sends a range that nobody asked for",
            |start, end, all, line| {
                partial(line, (start + 1, end + 1, all.len() + 1), end - start)?;
                line.write_all(&all[start..end])
            },
            |error| matches!(error, ContentError::WrongRange { .. }),
            1,
        ),
        (
            "sends several parts",
            |start, end, all, line| {
                head(
                    line,
                    "206 Partial Content",
                    "content-type: multipart/byteranges; boundary=x\r\n",
                )?;
                write!(
                    line,
                    "--x\r\ncontent-range: bytes {start}-{}/{}\r\n\r\n",
                    end - 1,
                    all.len()
                )?;
                line.write_all(&all[start..end])
            },
            |error| matches!(error, ContentError::WrongRange { .. }),
            1,
        ),
        (
            "ignores the range",
            |_, _, all, line| {
                head(line, "200 OK", &format!("content-length: {}\r\n", all.len()))?;
                line.write_all(all)
            },
            |error| matches!(error, ContentError::RangeIgnored { .. }),
            1,
        ),
        (
            "changes bytes",
            |start, end, all, line| {
                partial(line, (start, end, all.len()), end - start)?;
                let mut part = all[start..end].to_vec();
                part[100] ^= 1;
                line.write_all(&part)
            },
            |error| matches!(error, ContentError::ChunkDamaged { .. }),
            1,
        ),
        (
            "compresses what is compressed, and not to its end",
            |start, end, all, line| {
                let fields = format!(
                    "content-encoding: gzip\r\ncontent-range: bytes {start}-{}/{}\r\n",
                    end - 1,
                    all.len()
                );
                head(line, "206 Partial Content", &fields)?;
                line.write_all(&[0x1f, 0x8b, 8, 0, 0, 0])
            },
            |error| matches!(error, ContentError::Encoded { .. }),
            1,
        ),
        (
            "says nothing",
            |_, _, _, line| {
                // Until the client goes.
                let mut byte = [0];
                line.read(&mut byte).map(|_| ())
            },
            |error| matches!(error, ContentError::Stalled { .. }),
            3,
        ),
        (
            "begins and says nothing more",
            |start, end, all, line| {
                partial(line, (start, end, all.len()), end - start)?;
                line.read(&mut [0]).map(|_| ())
            },
            |error| matches!(error, ContentError::Stalled { .. }),
            3,
        ),
        (
            "is gone",
            |_, _, _, line| head(line, "404 Not Found", "content-length: 0\r\n"),
            |error| matches!(error, ContentError::Status { .. }),
            1,
        ),
        (
            "refuses for ever",
            |_, _, _, line| head(line, "403 Forbidden", "content-length: 0\r\n"),
            |error| matches!(error, ContentError::Status { .. }),
            1,
        ),
        (
            "is in trouble",
            |_, _, _, line| head(line, "500 Internal Server Error", "content-length: 0\r\n"),
            |error| matches!(error, ContentError::Status { .. }),
            3,
        ),
    ];
    let shelf = Shelf::new();
    for (what, deed, expected, requests) in table {
        let (place, liar) = (Place::new(), Liar::start(&shelf.bytes, deed));
        let error = fetch(&shelf, &place, &liar.url).await.unwrap_err();
        assert!(expected(&error), "{what}: {error}");
        assert_eq!(liar.asked().len(), requests, "{what}");
    }
}

#[tokio::test]
async fn server_that_drips_is_left_although_it_is_never_silent() {
    let shelf = Shelf::new();
    let (place, liar) = (
        Place::new(),
        Liar::start(&shelf.bytes, |start, end, all, line| {
            partial(line, (start, end, all.len()), end - start)?;
            for byte in &all[start..end] {
                line.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }),
    );
    // Each try brings some bytes, so each starts the count of tries again: it is the caller's limit that ends it.
    let fetched = fetch(&shelf, &place, &liar.url);
    let ended = tokio::time::timeout(Duration::from_secs(3), fetched).await;
    assert!(ended.is_err() || matches!(ended, Ok(Err(ContentError::TooSlow { .. }))));
    assert!(liar.asked().len() > 2, "it was not left");
}

#[tokio::test]
async fn server_that_closes_in_the_middle_is_got_over_and_nothing_travels_twice() {
    static SENT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let shelf = Shelf::new();
    // Far less than a chunk: only what is kept of chunks makes progress at all.
    let (place, liar) = (
        Place::new(),
        Liar::start(&shelf.bytes, |start, end, all, line| {
            let cut = end.min(start + 9_000);
            partial(line, (start, end, all.len()), end - start)?;
            line.write_all(&all[start..cut])?;
            SENT.fetch_add(cut - start, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        }),
    );
    let fetched = fetch(&shelf, &place, &liar.url).await.unwrap();
    assert_eq!(fetched.fetched, shelf.bundle.size);
    assert_eq!(SENT.load(std::sync::atomic::Ordering::SeqCst), shelf.bytes.len());
}

#[tokio::test]
async fn answer_that_leads_elsewhere_is_refused() {
    static ELSEWHERE: Mutex<Option<Url>> = Mutex::new(None);
    let shelf = Shelf::new();
    let honest = Liar::start(&shelf.bytes, |start, end, all, line| {
        partial(line, (start, end, all.len()), end - start)?;
        line.write_all(&all[start..end])
    });
    *ELSEWHERE.lock().unwrap() = Some(honest.url.clone());
    let liar = Liar::start(&shelf.bytes, |_, _, _, line| {
        let to = ELSEWHERE.lock().unwrap().clone().unwrap();
        head(line, "302 Found", &format!("location: {to}\r\ncontent-length: 0\r\n"))
    });
    let error = fetch(&shelf, &Place::new(), &liar.url).await.unwrap_err();
    assert!(
        matches!(&error, ContentError::Redirected { to, .. } if *to == honest.url.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn busy_server_says_when_to_come_back() {
    let shelf = Shelf::new();
    let table: [(Deed, Option<u64>); 3] = [
        (
            |_, _, _, line| {
                head(line, "429 Too Many Requests", "retry-after: 0\r\ncontent-length: 0\r\n")
            },
            Some(0),
        ),
        (|_, _, _, line| head(line, "503 Service Unavailable", "content-length: 0\r\n"), None),
        (
            |_, _, _, line| {
                let fields = "date: Wed, 21 Oct 2015 07:28:00 GMT\r\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\ncontent-length: 0\r\n";
                head(line, "503 Service Unavailable", fields)
            },
            Some(0),
        ),
    ];
    for (deed, seconds) in table {
        let liar = Liar::start(&shelf.bytes, deed);
        let error = fetch(&shelf, &Place::new(), &liar.url).await.unwrap_err();
        assert_eq!(error.retry_after(), seconds.map(Duration::from_secs), "{error}");
        assert_eq!(liar.asked().len(), 3);
    }
}
