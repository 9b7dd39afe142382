//! A process that is killed (-9) again and again while it fetches: what it kept is never asked for again.

use crate::shelf::{Place, Shelf};
use refit_content::{Fetched, Origin, Realise, assemble, fetch, verify_tree};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const PLACE: &str = "REFIT_TEST_KILLED_PLACE";
const ADDRESS: &str = "REFIT_TEST_KILLED_ADDRESS";
/// Head of a record of the cache, and where in it the stored length stands.
const RECORD_HEAD: (usize, usize) = (45, 37);

/// Not a test of its own: what the child does, which is this program again.
#[tokio::test]
async fn child_fetches() {
    let (Ok(place), Ok(url)) = (std::env::var(PLACE), std::env::var(ADDRESS)) else { return };
    let (shelf, place) = (Shelf::new(), PathBuf::from(place));
    let (into, cache) = (place.join("release"), place.join("cache"));
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let job = Realise {
        entries: &shelf.entries,
        bundle: &shelf.bundle,
        seeds: &[],
        into: &into,
        cache: &cache,
        progress: &|_: Fetched| (),
    };
    let _ = fetch(&Origin { http, url: url.parse().unwrap() }, &job).await.unwrap();
    assemble(&job).unwrap();
}

#[test]
fn killed_process_goes_on_at_the_very_byte() {
    let (shelf, place) = (Shelf::new(), Place::new());
    let dir = place.cache().parent().unwrap().to_owned();
    let server = Server::start(shelf.bytes.clone());
    let (mut seed, mut kills) = (7_u64, 0);
    loop {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // 10 to 300 kB further, so that most kills come in the middle of a chunk.
        let until = server.sent.load(Ordering::SeqCst) + 10_000 + (seed >> 33) % 290_000;
        let kept = kept(place.cache());
        server.asked.lock().unwrap().clear();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child_fetches"])
            .env(PLACE, &dir)
            .env(ADDRESS, &server.url)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
            if server.sent.load(Ordering::SeqCst) >= until {
                break false;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "the child does not get on");
            std::thread::yield_now();
        };
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(first) = server.asked.lock().unwrap().first() {
            assert_eq!(*first, kept, "after {kills} kills");
        }
        if ended {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 5, "{kills} kills");
    verify_tree(&shelf.entries, &dir.join("release")).unwrap();
}

/// Bytes of the bundle that the cache holds, from its beginning: whole chunks, and the beginning of one.
fn kept(cache: &Path) -> u64 {
    let files = || fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path());
    let read = |ending: &str| {
        files()
            .find(|path| path.extension().is_some_and(|it| it == ending))
            .map(|path| fs::read(path).unwrap())
    };
    let (records, tail) = (read("chunks").unwrap_or_default(), read("tail").unwrap_or_default());
    let (mut at, mut kept) = (0, 0);
    while at + RECORD_HEAD.0 <= records.len() {
        let length = &records[at + RECORD_HEAD.1..at + RECORD_HEAD.1 + 4];
        let stored = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        if at + RECORD_HEAD.0 + stored > records.len() {
            break;
        }
        at += RECORD_HEAD.0 + stored;
        kept += stored as u64;
    }
    match tail.split_first_chunk::<8>() {
        Some((offset, begun)) if u64::from_le_bytes(*offset) == kept => kept + begun.len() as u64,
        _ => kept,
    }
}

struct Server {
    url: String,
    sent: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Server {
    fn start(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/bundle", listener.local_addr().unwrap());
        let (sent, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let server = Self { url, sent: Arc::clone(&sent), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let (sent, asked, bytes) = (Arc::clone(&sent), Arc::clone(&asked), bytes.clone());
                std::thread::spawn(move || serve(line, &bytes, &sent, &asked));
            }
        });
        server
    }
}

/// Answers requests of one connection, in small pieces so that a kill comes between them.
fn serve(mut line: TcpStream, bytes: &[u8], sent: &AtomicU64, asked: &Mutex<Vec<u64>>) {
    loop {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match line.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap();
        let (start, end) = range.trim().split_once('-').unwrap();
        let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
        asked.lock().unwrap().push(start as u64);
        let answer = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{end}/{}\r\n\r\n",
            end + 1 - start,
            bytes.len()
        );
        if line.write_all(answer.as_bytes()).is_err() {
            return;
        }
        for piece in bytes[start..=end].chunks(4_096) {
            if line.write_all(piece).is_err() {
                return;
            }
            sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
