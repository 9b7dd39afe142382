//! The reference implementation is the judge: python-tuf reads repositories made here, and this client reads repositories made by it.
//!
//! `./dev test` makes the Python environment and names it in `REFIT_PYTHON_TUF`; without it the tests say that they are skipped, but in CI
//! they fail.

use jiff::{SignedDuration, Timestamp};
use refit_forge::{
    key::{Keyring, SigningKey},
    pack, pack_file,
    repo::{self, DelegationOptions, InitOptions, RootChange, Signers, TopRole},
};
use refit_names::{ByteSize, Coded as _, TargetName};
use refit_repository::{Repository, Source, TrustStore, refresh};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tower_http::services::ServeDir;
use url::Url;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const WORD: &str = "packs/acme/1/word.txt";

/// The interpreter that has python-tuf.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("REFIT_PYTHON_TUF").map(PathBuf::from);
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/python-tuf/bin/python");
    let found = named.or_else(|| made.exists().then_some(made));
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "no REFIT_PYTHON_TUF, and in CI nothing is skipped"
        );
        // Captured output of a passed test is not shown: this is.
        let text = b"SKIPPED: python-tuf is not there (./dev test installs it)\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
    }
    found
}

fn script(python: &Path, name: &str, arguments: &[&str]) -> (bool, String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let out = Command::new(python).arg(path).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (out.status.success(), text(out.stdout), text(out.stderr))
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

async fn serve(dir: &Path) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let router = axum::Router::new().fallback_service(ServeDir::new(dir));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn source(base: &Url) -> Source {
    Source {
        metadata: base.join("metadata/").unwrap(),
        targets: base.join("targets/").unwrap(),
        http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
    }
}

/// Made by python-tuf, read here: every kind with its target, and the delegated word where there is one.
async fn read_here(kind: &str, delegated: bool) -> Option<(Repository, tempfile::TempDir)> {
    let python = python()?;
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let (done, out, error) = script(&python, "make.py", &[repo.to_str().unwrap(), kind]);
    assert!(done, "{error}");
    let trust = TrustStore::create(
        &dir.path().join("trust"),
        &fs::read(repo.join("metadata/1.root.json")).unwrap(),
    )
    .unwrap();
    let base = serve(&repo).await;
    let repository = refresh(&trust, &source(&base), Timestamp::now()).await.unwrap();
    let hello = repository.read(&name("hello.txt"), ByteSize(100)).await.unwrap();
    assert_eq!(hello, b"hello of python\n");
    if delegated {
        let word = repository.read(&name(WORD), ByteSize(100)).await.unwrap();
        assert_eq!(hex::encode(Sha256::digest(word)), out.trim());
        assert!(repository.locate(&name(WORD)).await.is_ok());
    }
    // A mirror of it serves the same.
    let mirror = dir.path().join("mirror");
    let report = repository.mirror(&mirror).await.unwrap();
    assert!(report.fetched >= 1 && mirror.join("metadata/timestamp.json").exists());
    let again = repository.mirror(&mirror).await.unwrap();
    assert_eq!((again.fetched, again.pruned), (0, 0));
    let base = serve(&mirror).await;
    let mirrored = refresh(&trust, &source(&base), Timestamp::now()).await.unwrap();
    assert_eq!(mirrored.read(&name("hello.txt"), ByteSize(100)).await.unwrap(), hello);
    Some((repository, dir))
}

#[tokio::test]
async fn consistent_repository_of_python_tuf_is_read() {
    read_here("consistent", false).await;
}

#[tokio::test]
async fn repository_of_python_tuf_without_consistent_snapshots_is_read_and_mirrored() {
    read_here("plain", false).await;
}

#[tokio::test]
async fn delegation_of_python_tuf_is_followed_and_not_beyond_its_paths() {
    let Some((repository, _dir)) = read_here("delegated", true).await else { return };
    let error = repository.read(&name("packs/other/1/word.txt"), ByteSize(100)).await.unwrap_err();
    assert_eq!(error.code(), "repository.no-such-target");
}

#[tokio::test]
async fn hashed_bins_of_python_tuf_are_read() {
    read_here("bins", true).await;
}

#[tokio::test]
async fn rotated_root_of_python_tuf_is_followed() {
    let Some((repository, _dir)) = read_here("rotated", false).await else { return };
    assert_eq!(repository.versions()["root"], 3);
}

#[tokio::test]
async fn repository_of_python_tuf_with_sha512_alone_is_read() {
    read_here("sha512", false).await;
}

/// A repository made here.
struct Made {
    dir: tempfile::TempDir,
    base: Url,
}

impl Made {
    async fn new(options: &InitOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (repo, keys) = (dir.path().join("repo"), dir.path().join("keys"));
        repo::init(&repo, &keys, options, Timestamp::now()).await.unwrap();
        fs::create_dir_all(repo.join("targets")).unwrap();
        let base = serve(&repo).await;
        Self { dir, base }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ring(&self) -> Keyring {
        Keyring::open(&self.path("keys"), None).unwrap()
    }

    fn pack(&self, product: &str, to: &str) -> PathBuf {
        let folder = self.path(&format!("src-{product}-{to}"));
        let manifest = format!(
            "format: refit.pack/1\nproduct: {product}\nfrom: [\"1000\"]\nto: \"{to}\"\nkind: minor\ntitle: T\nreadme: README.md\npayload: payload\nunit: {{}}\n"
        );
        fs::create_dir_all(folder.join("payload")).unwrap();
        fs::write(folder.join("pack.yaml"), manifest).unwrap();
        fs::write(folder.join("README.md"), "read me").unwrap();
        fs::write(folder.join("payload/file"), format!("{product} {to}")).unwrap();
        let path = folder.with_extension("refit");
        pack_file::write(&pack::build(&folder).unwrap(), &path, None).unwrap();
        path
    }

    async fn publish(&self, product: &str, to: &str) {
        let packs = [self.pack(product, to)];
        let (repo, keys) = (self.path("repo"), self.path("keys"));
        drop(repo::publish(&repo, &keys, &packs, None, DAY, Timestamp::now()).await.unwrap());
    }

    /// What python-tuf says of these targets, with a state folder that it keeps.
    async fn python_reads(&self, python: &Path, names: &[&str]) -> Result<String, String> {
        let url = |part: &str| self.base.join(part).unwrap().to_string();
        let (metadata, targets) = (url("metadata/"), url("targets/"));
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (root, state, out) = (path("repo/metadata/1.root.json"), path("state"), path("out"));
        let mut arguments = vec![root, metadata, targets, state, out];
        arguments.extend(names.iter().map(|name| (*name).to_owned()));
        let python = python.to_owned();
        // The server that it asks runs on this thread.
        let ran = tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            script(&python, "read.py", &arguments)
        });
        match ran.await.unwrap() {
            (true, out, _) => Ok(out),
            (false, _, error) => Err(error),
        }
    }
}

#[tokio::test]
async fn python_tuf_reads_what_is_made_here_with_delegations_and_after_every_rotation() {
    let Some(python) = python() else { return };
    let two_of_three = Signers { keys: 3, threshold: 2 };
    let options =
        InitOptions { root: two_of_three, targets: two_of_three, ..InitOptions::default() };
    let made = Made::new(&options).await;
    made.publish("ledger", "1100").await;
    let record = "packs/ledger/1100/record.json";
    assert!(made.python_reads(&python, &["catalog.json", record]).await.unwrap().contains(record));

    let (repo, now) = (made.path("repo"), Timestamp::now());
    let vendor = SigningKey::create(&made.path("acme.der")).unwrap();
    let options = DelegationOptions {
        name: "acme".to_owned(),
        keys: vec![vendor.public()],
        threshold: 1,
        paths: vec!["packs/acme/*".to_owned()],
        terminating: false,
    };
    let _ = repo::add_delegation(&repo, &options, DAY, now).unwrap();
    let _ = repo::sign_staged(&repo, repo::TARGETS, None, &made.ring()).unwrap();
    repo::publish_staged(&repo, repo::TARGETS, None, &[], &made.ring(), DAY, now).unwrap();
    let _ = repo::stage_packs(&repo, "acme", &[made.pack("acme", "1100")], None, DAY, now).unwrap();
    let own = Keyring::read(&[made.path("acme.der")], None).unwrap();
    let _ = repo::sign_staged(&repo, "acme", None, &own).unwrap();
    repo::publish_staged(&repo, "acme", None, &[], &made.ring(), DAY, now).unwrap();
    let record = "packs/acme/1100/record.json";
    let names = [record, "packs/acme/1100/bundle", "vendors/acme/catalog.json", "catalog.json"];
    assert!(made.python_reads(&python, &names).await.unwrap().contains(record));

    for role in TopRole::ALL {
        let fresh: Vec<_> = (4..=6)
            .map(|number| {
                let path = made.path(&format!("keys/{}-{number}.der", role.name()));
                SigningKey::create(&path).unwrap().public()
            })
            .collect();
        let changes = [RootChange::Replace(role, fresh)];
        let _ = repo::edit_root(&repo, &changes, DAY, now).unwrap();
        let _ = repo::sign_root(&repo, &made.ring()).unwrap();
        if role == TopRole::Targets {
            let _ = repo::stage_packs(&repo, repo::TARGETS, &[], None, DAY, now).unwrap();
            let _ = repo::sign_staged(&repo, repo::TARGETS, None, &made.ring()).unwrap();
        }
        repo::publish_root(&repo, &[], &made.ring(), DAY, now).unwrap();
        made.python_reads(&python, &names)
            .await
            .unwrap_or_else(|error| panic!("{role:?}: {error}"));
    }
    made.publish("ledger", "1200").await;
    let missing = made.python_reads(&python, &["packs/ledger/1300/record.json"]).await;
    assert!(missing.is_err());
    made.python_reads(&python, &["packs/ledger/1200/record.json", record]).await.unwrap();
    // And so does the client here, from the first root.
    let root = fs::read(repo.join("metadata/1.root.json")).unwrap();
    let trust = TrustStore::create(&made.path("trust"), &root).unwrap();
    let repository = refresh(&trust, &source(&made.base), Timestamp::now()).await.unwrap();
    assert_eq!(repository.versions()["root"], 5);
    assert_eq!(repository.catalog().await.unwrap().packs.len(), 3);
}
