//! Fetching over a real server that misbehaves, and building trees from what arrived.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::get,
};
use futures_util::stream;
use refit_content::{
    ContentError, Fetched, Origin, Realise, assemble, chunking, discard, fetch, verify_tree,
};
use refit_names::{ByteSize, Digest, TargetName, TreePath};
use refit_packs::record::{Bundle, Chunk, TreeEntry, TreeNode};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use url::Url;

/// A pack's tree and bundle, made by hand.
struct Pack {
    entries: Vec<TreeEntry>,
    bundle: Bundle,
    bytes: Vec<u8>,
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(step).collect()
}

fn pack(files: &BTreeMap<&str, Vec<u8>>) -> Pack {
    let (mut chunks, mut places, mut bytes) = (Vec::<Chunk>::new(), BTreeMap::new(), Vec::new());
    let mut entries = vec![TreeEntry {
        path: TreePath::parse("d").unwrap(),
        node: TreeNode::Folder { mode: 0o755 },
    }];
    for (path, content) in files {
        let mut own = Vec::new();
        for chunk in chunking::chunks_of(content.as_slice()) {
            let chunk = chunk.unwrap();
            let id = chunking::chunk_id(&chunk);
            own.push(*places.entry(id).or_insert_with(|| {
                let frame = chunking::compress(&chunk).unwrap();
                chunks.push(Chunk {
                    id,
                    offset: bytes.len() as u64,
                    stored: frame.len() as u32,
                    size: chunk.len() as u32,
                });
                bytes.extend(frame);
                chunks.len() as u32 - 1
            }));
        }
        let node = TreeNode::File {
            mode: 0o644,
            size: ByteSize(content.len() as u64),
            digest: Digest::of(content),
            chunks: own,
        };
        entries.push(TreeEntry { path: TreePath::parse(*path).unwrap(), node });
    }
    entries.push(TreeEntry {
        path: TreePath::parse("link").unwrap(),
        node: TreeNode::Link { target: "d/a".to_owned() },
    });
    let bundle = Bundle {
        target: TargetName::parse("bundle").unwrap(),
        size: ByteSize(bytes.len() as u64),
        digest: Digest::of(&bytes),
        chunks,
        deltas: Vec::new(),
    };
    Pack { entries, bundle, bytes }
}

fn files() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("d/a", noise(1, 2_000_000)),
        ("d/b", noise(2, 700_000)),
        ("d/empty", Vec::new()),
    ])
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Good,
    CutAfter(usize),
    IgnoresRange,
    OtherRange,
    OtherBytes,
    TooMuch,
    Says(StatusCode),
    Unavailable { times: usize },
}

/// Mood, the bundle's bytes, and the ranges that were asked for.
type Ledger = (Mood, Vec<u8>, Vec<(usize, usize)>);

#[derive(Clone)]
struct Server {
    url: Url,
    state: Arc<Mutex<Ledger>>,
}

impl Server {
    async fn start(bytes: Vec<u8>, mood: Mood) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/bundle", listener.local_addr().unwrap())).unwrap();
        let server = Self { url, state: Arc::new(Mutex::new((mood, bytes, Vec::new()))) };
        let router = Router::new().route("/bundle", get(answer)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn set(&self, mood: Mood) {
        self.state.lock().unwrap().0 = mood;
    }

    /// The ranges that were asked for since the last call.
    fn take_requests(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.state.lock().unwrap().2)
    }

    fn origin(&self) -> Origin {
        Origin {
            http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
            url: self.url.clone(),
        }
    }
}

async fn answer(State(server): State<Server>, headers: HeaderMap) -> Response<Body> {
    let range = headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().to_owned();
    let (start, end) = range.split_once('-').unwrap();
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse::<usize>().unwrap() + 1);
    let mut state = server.state.lock().unwrap();
    state.2.push((start, end));
    let (mood, whole) = (state.0, state.1.len());
    let mut part = state.1[start..end].to_vec();
    let mut at = start;
    match mood {
        Mood::IgnoresRange => return Response::new(Body::from(state.1.clone())),
        Mood::Says(status) => {
            return Response::builder().status(status).body(Body::empty()).unwrap();
        }
        Mood::Unavailable { times } => {
            state.0 = if times == 1 { Mood::Good } else { Mood::Unavailable { times: times - 1 } };
            return Response::builder()
                .status(StatusCode::SERVICE_UNAVAILABLE)
                .body(Body::empty())
                .unwrap();
        }
        Mood::OtherRange => at += 1,
        Mood::OtherBytes => part.reverse(),
        Mood::TooMuch => part.extend([0; 5_000]),
        Mood::Good | Mood::CutAfter(_) => {}
    }
    let cut = if let Mood::CutAfter(limit) = mood { limit.min(part.len()) } else { part.len() };
    let is_cut = cut < part.len();
    part.truncate(cut);
    let mut pieces: Vec<Result<Bytes, std::io::Error>> =
        part.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    if is_cut {
        pieces.push(Err(std::io::Error::other("cut")));
    }
    Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header("content-range", format!("bytes {at}-{}/{whole}", at + end - start - 1))
        .body(Body::from_stream(stream::iter(pieces)))
        .unwrap()
}

struct Place {
    dir: tempfile::TempDir,
    into: PathBuf,
    cache: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let (into, cache) = (dir.path().join("releases/2"), dir.path().join("cache"));
    Place { dir, into, cache }
}

fn quiet(_: Fetched) {}

fn realise<'a>(pack: &'a Pack, seeds: &'a [PathBuf], place: &'a Place) -> Realise<'a> {
    Realise {
        entries: &pack.entries,
        bundle: &pack.bundle,
        seeds,
        into: &place.into,
        cache: &place.cache,
        progress: &quiet,
    }
}

fn lay_out(dir: &Path, files: &BTreeMap<&str, Vec<u8>>) {
    for (path, content) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[tokio::test]
async fn tree_comes_whole_from_nothing() {
    let (pack, place) = (pack(&files()), place());
    let server = Server::start(pack.bytes.clone(), Mood::Good).await;
    let job = realise(&pack, &[], &place);
    let fetched = fetch(&server.origin(), &job).await.unwrap();
    assert_eq!(fetched.fetched, pack.bundle.size);
    assemble(&job).unwrap();
    verify_tree(&pack.entries, &place.into).unwrap();
    assert_eq!(fs::read(place.into.join("link")).unwrap(), files()["d/a"]);
    assert!(!place.into.with_file_name("2.partial").exists());
    // Again: the tree is there and is this one.
    assemble(&job).unwrap();
    discard(&place.cache, &pack.bundle).unwrap();
    assert_eq!(fs::read_dir(&place.cache).unwrap().count(), 0);
}

#[tokio::test]
async fn running_release_saves_the_transfer() {
    let mut old = files();
    let new = pack(&old);
    // The old release: one file the same, the other with a hole in its middle.
    old.get_mut("d/a").unwrap().drain(900_000..900_100);
    let place = place();
    let seed = place.dir.path().join("releases/1");
    lay_out(&seed, &old);
    let server = Server::start(new.bytes.clone(), Mood::Good).await;
    let seeds = [seed.clone()];
    let job = realise(&new, &seeds, &place);
    let fetched = fetch(&server.origin(), &job).await.unwrap();
    assert!(fetched.fetched.0 <= 3 * chunking::CHUNK_BYTES_MAX as u64, "{fetched:?}");
    assert!(fetched.reused.0 > 2_000_000, "{fetched:?}");
    assemble(&job).unwrap();
    verify_tree(&new.entries, &place.into).unwrap();
    // No file is shared with the running release: writing to one leaves the other.
    fs::write(seed.join("d/b"), b"changed").unwrap();
    verify_tree(&new.entries, &place.into).unwrap();
}

#[tokio::test]
async fn cut_connections_lose_no_chunk_that_arrived() {
    let (pack, place) = (pack(&files()), place());
    let server = Server::start(pack.bytes.clone(), Mood::CutAfter(600_000)).await;
    let job = realise(&pack, &[], &place);
    // Every response is cut after 600 kB, which is more than a chunk: each try makes progress, so the tries never run out.
    let fetched = fetch(&server.origin(), &job).await.unwrap();
    assert_eq!(fetched.fetched, pack.bundle.size, "each byte was accepted once");
    let requests = server.take_requests();
    assert!(requests.len() >= 4);
    for pair in requests.windows(2) {
        assert!(pair[1].0 > pair[0].0, "asked again from {} after {}", pair[1].0, pair[0].0);
        assert!(
            pair[1].0 + chunking::STORED_BYTES_MAX >= pair[0].0 + 600_000 || pair[1].0 >= pair[0].1,
            "went back more than one chunk"
        );
    }
    assemble(&job).unwrap();
}

#[tokio::test]
async fn restart_fetches_only_what_is_missing() {
    let (pack, place) = (pack(&files()), place());
    let server = Server::start(pack.bytes.clone(), Mood::CutAfter(1_000_000)).await;
    let arrived = Mutex::new(Fetched::default());
    let stop = tokio::sync::Notify::new();
    let progress = |state: Fetched| {
        *arrived.lock().unwrap() = state;
        if state.fetched.0 > 500_000 {
            stop.notify_one();
        }
    };
    let job = Realise { progress: &progress, ..realise(&pack, &[], &place) };
    // The process dies in the middle of a transfer.
    let origin = server.origin();
    tokio::select! {
        biased;
        () = stop.notified() => {}
        _ = fetch(&origin, &job) => {}
    }
    let before = arrived.lock().unwrap().fetched;
    assert!(before.0 > 500_000);
    server.set(Mood::Good);
    server.take_requests();
    let after = fetch(&server.origin(), &realise(&pack, &[], &place)).await.unwrap();
    assert_eq!(before.0 + after.fetched.0, pack.bundle.size.0, "nothing travelled twice");
    // What had come of the chunk that was cut is not asked for again.
    let asked: usize = server.take_requests().iter().map(|(start, end)| end - start).sum();
    assert!(asked as u64 <= after.fetched.0 && after.fetched.0 - asked as u64 <= 1 << 18);
    assemble(&realise(&pack, &[], &place)).unwrap();
}

#[tokio::test]
async fn servers_that_lie_are_named_and_nothing_is_installed() {
    let pack = pack(&files());
    type Expected = fn(&ContentError) -> bool;
    let table: [(Mood, Expected); 6] = [
        (Mood::IgnoresRange, |error| matches!(error, ContentError::RangeIgnored { .. })),
        (Mood::OtherRange, |error| matches!(error, ContentError::WrongRange { .. })),
        (Mood::OtherBytes, |error| matches!(error, ContentError::ChunkDamaged { .. })),
        (Mood::TooMuch, |error| matches!(error, ContentError::TooLong { .. })),
        (Mood::Says(StatusCode::NOT_FOUND), |error| matches!(error, ContentError::Status { .. })),
        (Mood::Says(StatusCode::FORBIDDEN), |error| matches!(error, ContentError::Status { .. })),
    ];
    for (mood, expected) in table {
        let place = place();
        let server = Server::start(pack.bytes.clone(), mood).await;
        let job = realise(&pack, &[], &place);
        let error = fetch(&server.origin(), &job).await.unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(server.take_requests().len(), 1, "asked again after {error}");
        if mood != Mood::TooMuch {
            assert!(matches!(assemble(&job), Err(ContentError::ChunkMissing { .. })));
            assert!(!place.into.with_file_name("2.partial").exists(), "half a release takes room");
            assert!(!place.into.exists());
        }
    }
}

#[tokio::test]
async fn server_that_comes_back_is_waited_for() {
    let (pack, place) = (pack(&files()), place());
    let server = Server::start(pack.bytes.clone(), Mood::Unavailable { times: 2 }).await;
    let fetched = fetch(&server.origin(), &realise(&pack, &[], &place)).await.unwrap();
    assert_eq!(fetched.fetched, pack.bundle.size);
    assert_eq!(server.take_requests().len(), 3);
}

#[tokio::test]
async fn bundle_may_lie_in_a_folder() {
    let (pack, place) = (pack(&files()), place());
    let path = place.dir.path().join("a bundle");
    fs::write(&path, &pack.bytes).unwrap();
    let origin = Origin {
        http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
        url: Url::from_file_path(&path).unwrap(),
    };
    let job = realise(&pack, &[], &place);
    fetch(&origin, &job).await.unwrap();
    assemble(&job).unwrap();
    verify_tree(&pack.entries, &place.into).unwrap();
}

#[tokio::test]
async fn every_difference_of_a_tree_is_found() {
    let (pack, place) = (pack(&files()), place());
    let server = Server::start(pack.bytes.clone(), Mood::Good).await;
    let job = realise(&pack, &[], &place);
    fetch(&server.origin(), &job).await.unwrap();
    type Spoil = fn(&Path);
    let table: [(&str, Spoil); 6] = [
        ("extra file", |dir| fs::write(dir.join("d/new"), b"x").unwrap()),
        ("missing file", |dir| fs::remove_file(dir.join("d/b")).unwrap()),
        ("other content", |dir| fs::write(dir.join("d/b"), noise(3, 700_000)).unwrap()),
        ("other mode", |dir| {
            fs::set_permissions(dir.join("d/b"), fs::Permissions::from_mode(0o4755)).unwrap()
        }),
        ("other link", |dir| {
            fs::remove_file(dir.join("link")).unwrap();
            std::os::unix::fs::symlink("d/b", dir.join("link")).unwrap();
        }),
        ("folder for a file", |dir| {
            fs::remove_file(dir.join("d/empty")).unwrap();
            fs::create_dir(dir.join("d/empty")).unwrap();
        }),
    ];
    for (what, spoil) in table {
        assemble(&job).unwrap();
        spoil(&place.into);
        let error = verify_tree(&pack.entries, &place.into).unwrap_err();
        assert!(matches!(error, ContentError::Differs { .. }), "{what}: {error}");
        assert!(
            matches!(assemble(&job), Err(ContentError::Occupied { .. })),
            "{what}: was overwritten"
        );
        fs::remove_dir_all(&place.into).unwrap();
    }
}

#[test]
fn entries_that_would_write_elsewhere_are_refused() {
    let place = place();
    let bundle = Bundle {
        target: TargetName::parse("b").unwrap(),
        size: ByteSize(0),
        digest: Digest::of(b""),
        chunks: Vec::new(),
        deltas: Vec::new(),
    };
    let entry = |path: &str, node| TreeEntry { path: TreePath::parse(path).unwrap(), node };
    let link = |path: &str, target: &str| entry(path, TreeNode::Link { target: target.to_owned() });
    let file = |path: &str| {
        entry(
            path,
            TreeNode::File {
                mode: 0o644,
                size: ByteSize(0),
                digest: Digest::of(b""),
                chunks: Vec::new(),
            },
        )
    };
    let lies = |path: &str| {
        entry(
            path,
            TreeNode::File {
                mode: 0o644,
                size: ByteSize(1),
                digest: Digest::of(b"x"),
                chunks: vec![7],
            },
        )
    };
    for entries in [
        vec![link("a", "../../etc")],
        vec![link("a", "/etc/passwd")],
        vec![link("a", "b"), file("a/x")],
        vec![file("d/x")],
        vec![file("x"), file("x")],
        vec![lies("x")],
    ] {
        let job = Realise {
            entries: &entries,
            bundle: &bundle,
            seeds: &[],
            into: &place.into,
            cache: &place.cache,
            progress: &quiet,
        };
        assert!(matches!(assemble(&job), Err(ContentError::UnfitTree { .. })), "{entries:?}");
        assert!(!place.into.exists());
    }
}
