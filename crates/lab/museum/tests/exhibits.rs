//! Every exhibit is visited by the real client: refused with its own code, and nothing of the visitor is changed.

use jiff::{SignedDuration, Timestamp};
use refit_museum::{
    attacks::{self, Exhibit, HELLO, VENDORS, Visit},
    attacks_dir,
    server::{Misdeed, Server},
    workshop::{EXPIRES, Files, today},
};
use refit_names::{ByteSize, Coded as _, TargetName};
use refit_repository::{
    Limits, Repository, RepositoryError, Source, TrustStore, refresh, refresh_within, same_server,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// A host that trusts the honest repository's second version and has some of its files.
struct Visitor {
    dir: tempfile::TempDir,
    trust: TrustStore,
}

type Tree = BTreeMap<PathBuf, Vec<u8>>;

impl Visitor {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let honest = attacks_dir().join("honest");
        let root = fs::read(honest.join("metadata/1.root.json")).unwrap();
        let trust = TrustStore::create(&dir.path().join("trust"), &root).unwrap();
        let visitor = Self { dir, trust };
        let repository = visitor.refresh(&folder(&honest)).await.unwrap();
        repository.save_below(&name(VENDORS), &visitor.host()).await.unwrap();
        assert_eq!(repository.read(&name(HELLO), ByteSize(100)).await.unwrap().len(), 19);
        visitor
    }

    fn host(&self) -> PathBuf {
        self.dir.path().join("host")
    }

    async fn refresh(&self, source: &Source) -> Result<Repository, RepositoryError> {
        refresh_within(&self.trust, source, &limits(), today()).await
    }

    /// What the visitor's disk holds, but for what he may lawfully keep of newer metadata.
    fn disk(&self, except: &[&str]) -> Tree {
        let mut tree = Tree::new();
        read_tree(self.dir.path(), Path::new(""), &mut tree);
        tree.retain(|path, _| !except.iter().any(|name| path == &Path::new("trust").join(name)));
        tree
    }
}

/// Short enough for a test, long enough for a busy machine.
fn limits() -> Limits {
    Limits {
        metadata_time_max: Duration::from_secs(2),
        stall_max: Duration::from_secs(1),
        window: Duration::from_millis(200),
        window_bytes_min: 1024,
    }
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).redirect(same_server()).build().unwrap()
}

fn folder(dir: &Path) -> Source {
    let url = |part: &str| Url::from_directory_path(dir.join(part)).unwrap();
    Source { metadata: url("metadata"), targets: url("targets"), http: http() }
}

fn at(server: &Server) -> Source {
    let url = |part: &str| Url::parse(&format!("http://{}/{part}/", server.address)).unwrap();
    Source { metadata: url("metadata"), targets: url("targets"), http: http() }
}

fn read_tree(base: &Path, below: &Path, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(base.join(below)) else { return };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            read_tree(base, &path, tree);
        } else {
            tree.insert(path.clone(), fs::read(base.join(&path)).unwrap());
        }
    }
}

async fn visit(visitor: &Visitor, source: &Source, visit: Visit) -> Result<(), RepositoryError> {
    let repository = visitor.refresh(source).await?;
    if let Visit::Get(target) = visit {
        repository.save_below(&name(target), &visitor.host()).await?;
    }
    Ok(())
}

/// Refused with this code; nothing but the lawfully newer has changed, and no half of a target stays.
async fn refuse(visitor: &Visitor, source: &Source, what: Visit, code: &str, kept: &[&str]) {
    let before = visitor.disk(kept);
    let error = visit(visitor, source, what).await.expect_err(code);
    assert_eq!(error.code(), code, "{}", refit_names::chain(&error));
    let page = format!("../../../docs/errors/{code}.md");
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(page).exists(), "{code} has no page");
    let after = visitor.disk(kept);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().filter(|path| !is_partial(path)).collect::<Vec<_>>()
    );
    for (path, content) in &before {
        assert!(after[path] == *content, "{} changed", path.display());
    }
}

/// What a broken transfer left for the next try; never a whole file.
fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "partial")
}

fn of(attack: &str) -> Vec<Exhibit> {
    let all: Vec<_> =
        attacks::all().into_iter().filter(|exhibit| exhibit.attack == attack).collect();
    assert!(!all.is_empty(), "{attack}");
    all
}

async fn visit_all(attack: &str) {
    for exhibit in of(attack) {
        let visitor = Visitor::new().await;
        let dir = attacks_dir().join(exhibit.attack).join(exhibit.variant);
        refuse(&visitor, &folder(&dir), exhibit.visit, exhibit.code, exhibit.lawfully_kept).await;
        // Nothing stands in the way of the honest repository afterwards.
        let next = tempfile::tempdir().unwrap();
        attacks::next().write(next.path()).unwrap();
        let repository = visitor.refresh(&folder(next.path())).await;
        let lasting = exhibit.lawfully_kept.contains(&"timestamp.json");
        assert!(lasting || repository.is_ok(), "{} {}", exhibit.attack, exhibit.variant);
    }
}

macro_rules! static_attacks {
    ($($test:ident => $attack:literal),* $(,)?) => { $(
        #[tokio::test]
        async fn $test() {
            visit_all($attack).await;
        }
    )* };
}

static_attacks! {
    arbitrary_installation_is_refused => "arbitrary-installation",
    extraneous_dependency_is_refused => "extraneous-dependencies",
    malicious_mirror_is_refused => "malicious-mirror",
    mix_and_match_is_refused => "mix-and-match",
    rollback_is_refused => "rollback",
    keys_below_the_threshold_are_refused => "key-compromise",
    wrong_software_is_refused => "wrong-software",
    partial_bundle_is_refused => "partial-bundle",
    dropped_request_is_an_error => "drop-request",
    broken_chain_of_roots_is_refused => "root-chain",
}

#[tokio::test]
async fn fast_forward_is_recovered_from_by_new_online_keys() {
    let visitor = Visitor::new().await;
    let dir = |variant: &str| folder(&attacks_dir().join("fast-forward").join(variant));
    // A thief of both online keys can do this much; what he cannot do is make it last.
    let ahead = visitor.refresh(&dir("thief")).await.unwrap();
    assert_eq!(ahead.versions()["timestamp"], attacks::FAR_AHEAD);
    let honest = folder(&attacks_dir().join("honest"));
    refuse(&visitor, &honest, Visit::Refresh, "repository.rollback", &[]).await;
    let recovered = visitor.refresh(&dir("recovered")).await.unwrap();
    assert_eq!((recovered.versions()["timestamp"], recovered.versions()["root"]), (3, 2));
    refuse(&visitor, &dir("thief-again"), Visit::Refresh, "repository.bad-signature", &[]).await;
}

#[tokio::test]
async fn freeze_ends_with_the_expiry() {
    let visitor = Visitor::new().await;
    let honest = folder(&attacks_dir().join("honest"));
    let expires: Timestamp = EXPIRES.parse().unwrap();
    let before = visitor.disk(&[]);
    let second = SignedDuration::from_secs(1);
    refresh(&visitor.trust, &honest, expires - second).await.unwrap();
    for late in [expires, expires + SignedDuration::from_hours(24 * 365)] {
        let error = refresh(&visitor.trust, &honest, late).await.unwrap_err();
        assert_eq!(error.code(), "repository.expired");
    }
    assert_eq!(visitor.disk(&[]), before);
}

/// A mirror of the next edition with a target large enough to be cut.
fn large() -> Files {
    let content = large_content();
    refit_museum::workshop::edition(3, &[(LARGE, &content)])
}

const LARGE: &str = "large.bin";
const LARGE_BYTES: usize = 40_000;

fn large_content() -> Vec<u8> {
    (0..LARGE_BYTES).map(|at| (at % 251) as u8).collect()
}

/// A visitor without past, and a server that misbehaves for paths with `part` in them.
async fn meet(part: &'static str, misdeed: Misdeed) -> (Visitor, Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    large().write(dir.path()).unwrap();
    let visitor_dir = tempfile::tempdir().unwrap();
    let root = fs::read(dir.path().join("metadata/1.root.json")).unwrap();
    let trust = TrustStore::create(&visitor_dir.path().join("trust"), &root).unwrap();
    let visitor = Visitor { dir: visitor_dir, trust };
    // Metadata of the honest kind are known; only what is asked for next is in the server's hands.
    if part == LARGE {
        visitor.refresh(&folder(dir.path())).await.unwrap();
    }
    fs::create_dir_all(visitor.host()).unwrap();
    let server = Server::start(dir.path().to_owned(), vec![(part, misdeed)]).await.unwrap();
    (visitor, server, dir)
}

async fn refuse_server(part: &'static str, misdeed: Misdeed, code: &str) {
    let (visitor, server, _dir) = meet(part, misdeed).await;
    let what = if part == LARGE { Visit::Get(LARGE) } else { Visit::Refresh };
    refuse(&visitor, &at(&server), what, code, &[]).await;
    for (path, content) in visitor.disk(&[]) {
        assert!(content.len() <= LARGE_BYTES, "{} grew to {}", path.display(), content.len());
    }
}

#[tokio::test]
async fn endless_data_ends_at_the_limit() {
    refuse_server("timestamp.json", Misdeed::Endless, "repository.too-large").await;
    refuse_server(LARGE, Misdeed::Endless, "repository.too-large").await;
    // In memory too: what was received goes no further than the signed length and a buffer of the network.
    let (visitor, server, _dir) = meet(LARGE, Misdeed::Endless).await;
    let repository = visitor.refresh(&at(&server)).await.unwrap();
    let error = repository.read(&name(LARGE), ByteSize(1 << 30)).await.unwrap_err();
    assert_eq!(error.code(), "repository.too-large");
    drop(repository);
    assert!(server.sent() < 32 << 20, "{}", server.sent());
}

#[tokio::test]
async fn slow_retrieval_ends_in_bounded_time() {
    let drip = || Misdeed::Drip(Duration::from_millis(20));
    refuse_server(LARGE, drip(), "repository.too-slow").await;
    refuse_server("timestamp.json", drip(), "repository.too-slow").await;
    refuse_server("timestamp.json", Misdeed::Silence, "repository.too-slow").await;
    refuse_server(LARGE, Misdeed::Silence, "repository.too-slow").await;
}

#[tokio::test]
async fn redirect_to_another_server_is_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    large().write(elsewhere.path()).unwrap();
    let other = Server::start(elsewhere.path().to_owned(), Vec::new()).await.unwrap();
    for (part, path) in [("timestamp.json", "metadata/timestamp.json"), (LARGE, "targets/x")] {
        let to = format!("http://{}/{path}", other.address);
        refuse_server(part, Misdeed::Redirect(to), "repository.redirected").await;
    }
    assert_eq!(other.sent(), 0, "the other server was asked");
}

#[tokio::test]
async fn transfer_that_is_cut_off_again_and_again_ends() {
    refuse_server(LARGE, Misdeed::HangUp(10), "repository.cut-short").await;
    refuse_server("timestamp.json", Misdeed::HangUp(10), "repository.cut-short").await;
}

#[tokio::test]
async fn cut_off_transfer_goes_on_with_an_honest_server() {
    let (visitor, server, dir) = meet(LARGE, Misdeed::HangUp(30_000)).await;
    visit(&visitor, &at(&server), Visit::Get(LARGE)).await.unwrap_err();
    let honest = Server::start(dir.path().to_owned(), Vec::new()).await.unwrap();
    let repository = visitor.refresh(&at(&honest)).await.unwrap();
    let before = honest.sent();
    let out = repository.save_below(&name(LARGE), &visitor.host()).await.unwrap();
    assert_eq!(fs::read(out).unwrap(), large_content());
    assert!(honest.sent() - before <= (LARGE_BYTES - 30_000) as u64, "what was there came again");
}

#[tokio::test]
async fn other_range_is_refused() {
    refuse_server(LARGE, Misdeed::OtherRange, "repository.wrong-range").await;
}

#[tokio::test]
async fn wrong_length_is_refused() {
    let more = LARGE_BYTES as u64 + 1;
    refuse_server(LARGE, Misdeed::Length(more), "repository.too-large").await;
    refuse_server(LARGE, Misdeed::Length(1 << 40), "repository.too-large").await;
    refuse_server(LARGE, Misdeed::Length(100), "repository.length-mismatch").await;
    refuse_server("timestamp.json", Misdeed::Length(1 << 40), "repository.too-large").await;
}

#[tokio::test]
async fn server_that_only_fails_is_unreachable() {
    refuse_server("timestamp.json", Misdeed::Status(500), "repository.unreachable").await;
    refuse_server(LARGE, Misdeed::Status(503), "repository.unreachable").await;
    refuse_server("timestamp.json", Misdeed::Status(404), "repository.missing-file").await;
    refuse_server("timestamp.json", Misdeed::Junk("<html>"), "repository.malformed").await;
}
