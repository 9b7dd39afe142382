//! A repository made by the forge, read by the client, and what attackers and time do to it.

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use refit_content::{Origin, Realise, assemble, fetch, verify_tree};
use refit_forge::{
    ForgeError, pack, pack_file,
    repo::{self, Expiry, InitOptions, Signers},
};
use refit_names::{ByteSize, Coded, TargetName};
use refit_plan::PackPin;
use refit_repository::{Repository, RepositoryError, Source, TrustStore, refresh};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tower_http::services::ServeDir;
use url::Url;

const DAY: SignedDuration = SignedDuration::from_hours(24);

struct World {
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(&InitOptions::default(), Timestamp::now()).await
    }

    async fn with(options: &InitOptions, now: Timestamp) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        repo::init(&world.path("repo"), &world.path("keys"), options, now).await.unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pack(&self, from: &str, to: &str, content: &str) -> PathBuf {
        let folder = self.path(&format!("src-{to}-{}", content.len()));
        let manifest = format!(
            "format: refit.pack/1\nproduct: ledger\nfrom: [\"{from}\"]\nto: \"{to}\"\nkind: minor\ntitle: Ledger {to}\nreadme: README.md\npayload: payload\nunit: {{}}\n"
        );
        fs::create_dir_all(folder.join("payload/bin")).unwrap();
        fs::write(folder.join("pack.yaml"), manifest).unwrap();
        fs::write(folder.join("README.md"), "read me").unwrap();
        fs::write(folder.join("payload/bin/ledger"), content).unwrap();
        let path = folder.with_extension("refit");
        pack_file::write(&pack::build(&folder).unwrap(), &path, None).unwrap();
        path
    }

    async fn publish(&self, packs: &[PathBuf]) -> Result<repo::PublishReport, ForgeError> {
        repo::publish(&self.path("repo"), &self.path("keys"), packs, None, DAY, Timestamp::now())
            .await
    }

    fn trust(&self, name: &str) -> TrustStore {
        TrustStore::create(
            &self.path(name),
            &fs::read(self.path("repo/metadata/1.root.json")).unwrap(),
        )
        .unwrap()
    }

    fn source(&self, folder: &str) -> Source {
        let url = |part: &str| Url::from_directory_path(self.path(folder).join(part)).unwrap();
        Source { metadata: url("metadata"), targets: url("targets"), http: http() }
    }

    async fn refresh(&self, store: &TrustStore) -> Result<Repository, RepositoryError> {
        refresh(store, &self.source("repo"), Timestamp::now()).await
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).build().unwrap()
}

async fn serve(dir: &Path) -> Source {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().fallback_service(ServeDir::new(dir));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Source {
        metadata: base.join("metadata").unwrap(),
        targets: base.join("targets/").unwrap(),
        http: http(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            assert!(fs::copy(entry.path(), target).is_ok())
        }
    }
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

#[tokio::test]
async fn published_pack_arrives_on_a_host() {
    let world = World::new().await;
    let report = world.publish(&[world.pack("1000", "1100", "one")]).await.unwrap();
    assert_eq!((report.added.len(), report.version), (1, 2));
    let source = serve(&world.path("repo")).await;
    let repository = refresh(&world.trust("state"), &source, Timestamp::now()).await.unwrap();
    assert_eq!(repository.versions()["targets"], 2);
    let catalog = repository.catalog().await.unwrap();
    let summary = &catalog.packs[0];
    let pin = PackPin {
        to: summary.to.clone(),
        record: summary.record.clone(),
        digest: summary.record_digest,
        size: summary.size,
    };
    let record = repository.record(&pin).await.unwrap();
    let origin = Origin {
        http: source.http.clone(),
        url: repository.locate(&record.bundle.target).await.unwrap(),
    };
    let (into, cache) = (world.path("host/releases/1100"), world.path("host/cache"));
    let job = Realise {
        entries: &record.payload,
        bundle: &record.bundle,
        seeds: &[],
        into: &into,
        cache: &cache,
        progress: &|_| {},
    };
    fetch(&origin, &job).await.unwrap();
    assemble(&job).unwrap();
    verify_tree(&record.payload, &into).unwrap();
    assert_eq!(fs::read_to_string(into.join("bin/ledger")).unwrap(), "one");
    let other = PackPin { digest: refit_names::Digest::ZERO, ..pin };
    assert!(matches!(repository.record(&other).await, Err(RepositoryError::HashMismatch { .. })));
}

#[tokio::test]
async fn same_pack_twice_changes_nothing_and_other_content_is_refused() {
    let world = World::new().await;
    let pack = world.pack("1000", "1100", "one");
    drop(world.publish(std::slice::from_ref(&pack)).await.unwrap());
    let again = world.publish(&[pack]).await.unwrap();
    assert_eq!((again.added.len(), again.unchanged.len()), (0, 1));
    let before = fs::read(world.path("repo/metadata/timestamp.json")).unwrap();
    let error = world
        .publish(&[world.pack("1100", "1200", "x"), world.pack("1000", "1100", "other")])
        .await
        .unwrap_err();
    assert!(matches!(error, ForgeError::AlreadyPublished { .. }), "{error}");
    assert_eq!(
        fs::read(world.path("repo/metadata/timestamp.json")).unwrap(),
        before,
        "part of a refused change is visible"
    );
}

#[tokio::test]
async fn damaged_or_unsigned_pack_is_not_published() {
    let world = World::new().await;
    let pack = world.pack("1000", "1100", "one");
    let key = refit_forge::key::SigningKey::create(&world.path("signer.der")).unwrap().public();
    let published = repo::publish(
        &world.path("repo"),
        &world.path("keys"),
        std::slice::from_ref(&pack),
        Some(&key),
        DAY,
        Timestamp::now(),
    )
    .await;
    assert!(matches!(published, Err(ForgeError::Unsigned { .. })));
    let mut bytes = fs::read(&pack).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&pack, bytes).unwrap();
    assert!(matches!(world.publish(&[pack]).await, Err(ForgeError::Damaged { .. })));
    let repository = world.refresh(&world.trust("state")).await.unwrap();
    assert!(repository.catalog().await.unwrap().packs.is_empty());
}

#[tokio::test]
async fn expired_repository_is_refused_with_role_and_time() {
    let then = Timestamp::now() - SignedDuration::from_hours(48);
    let options = InitOptions {
        expiry: Expiry { online: DAY, ..Expiry::default() },
        ..InitOptions::default()
    };
    let world = World::with(&options, then).await;
    let error = world.refresh(&world.trust("state")).await.unwrap_err();
    let RepositoryError::Expired { role, at } = &error else { panic!("{error}") };
    assert_eq!(
        (role.as_str(), *at),
        ("timestamp", Timestamp::from_second((then + DAY).as_second()).unwrap())
    );
    assert_eq!(error.code(), "repository.expired");
    // Renewing is what helps.
    drop(world.publish(&[]).await.unwrap());
    world.refresh(&world.trust("state")).await.unwrap();

    let root =
        InitOptions { expiry: Expiry { root: DAY, ..Expiry::default() }, ..InitOptions::default() };
    let world = World::with(&root, then).await;
    let error = world.refresh(&world.trust("state")).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Expired { role, .. } if role == "root"), "{error}");
}

#[tokio::test]
async fn rollback_is_refused_also_after_a_restart() {
    let world = World::new().await;
    copy(&world.path("repo"), &world.path("old"));
    drop(world.publish(&[world.pack("1000", "1100", "one")]).await.unwrap());
    world.refresh(&world.trust("state")).await.unwrap();
    // A new process opens the same folder; the mirror shows what it had a week ago.
    let store = TrustStore::open(&world.path("state")).unwrap();
    let error = refresh(&store, &world.source("old"), Timestamp::now()).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::Rollback { role, trusted: 2, found: 1 } if role == "timestamp"),
        "{error}"
    );
    world.refresh(&store).await.unwrap();
}

#[tokio::test]
async fn foreign_signature_and_changed_bytes_are_refused() {
    let world = World::new().await;
    let store = world.trust("state");
    let foreign = World::new().await;
    let error = refresh(&store, &foreign.source("repo"), Timestamp::now()).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::BadSignature { role, .. } if role == "timestamp"),
        "{error}"
    );

    let snapshot = world.path("repo/metadata/1.snapshot.json");
    fs::write(&snapshot, fs::read_to_string(&snapshot).unwrap().replacen("  ", " \t", 1)).unwrap();
    assert!(matches!(world.refresh(&store).await, Err(RepositoryError::HashMismatch { .. })));
    fs::remove_file(&snapshot).unwrap();
    assert!(matches!(world.refresh(&store).await, Err(RepositoryError::MissingFile { .. })));
    let other = fs::read(foreign.path("repo/metadata/1.root.json")).unwrap();
    assert!(matches!(
        TrustStore::create(&world.path("state"), &other),
        Err(RepositoryError::OtherRoot { .. })
    ));
    let forged = String::from_utf8(other).unwrap().replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(
        TrustStore::create(&world.path("new"), forged.as_bytes()),
        Err(RepositoryError::UntrustableRoot { .. })
    ));
}

#[tokio::test]
async fn changed_target_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    drop(world.publish(&[world.pack("1000", "1100", "one")]).await.unwrap());
    let repository = world.refresh(&world.trust("state")).await.unwrap();
    let bundle = name("packs/ledger/1100/bundle");
    let place = repository.locate(&bundle).await.unwrap().to_file_path().unwrap();
    let whole = fs::read(&place).unwrap();
    let mut bad = whole.clone();
    bad[0] ^= 1;
    let out = world.path("out");
    type Expected = fn(&RepositoryError) -> bool;
    let table: [(Vec<u8>, Expected); 3] = [
        (bad, |error| matches!(error, RepositoryError::HashMismatch { .. })),
        (whole[1..].to_vec(), |error| matches!(error, RepositoryError::LengthMismatch { .. })),
        ([whole.as_slice(), b"x"].concat(), |error| {
            matches!(error, RepositoryError::TooLarge { .. })
        }),
    ];
    for (content, expected) in table {
        fs::write(&place, content).unwrap();
        let error = repository.read(&bundle, ByteSize(1 << 20)).await.unwrap_err();
        assert!(expected(&error), "{error}");
        repository.save_below(&bundle, &out).await.unwrap_err();
        assert!(!out.join("packs/ledger/1100/bundle").exists());
    }
    fs::write(&place, &whole).unwrap();
    let saved = repository.save_below(&bundle, &out).await.unwrap();
    assert_eq!(saved, out.join("packs/ledger/1100/bundle"));
    assert_eq!(fs::read(saved).unwrap(), whole);
    assert!(matches!(
        repository.read(&bundle, ByteSize(1)).await,
        Err(RepositoryError::TooLarge { .. })
    ));
    assert!(matches!(
        repository.read(&name("packs/none"), ByteSize(1)).await,
        Err(RepositoryError::NoSuchTarget { .. })
    ));
    // A link in the folder must not lead the file elsewhere.
    let trap = world.path("trap");
    fs::create_dir_all(&trap).unwrap();
    std::os::unix::fs::symlink(world.path("keys"), trap.join("packs")).unwrap();
    assert!(matches!(
        repository.save_below(&bundle, &trap).await,
        Err(RepositoryError::UnsafePlace { .. })
    ));
}

#[tokio::test]
async fn unreachable_and_wordy_servers_have_their_own_errors() {
    let world = World::new().await;
    let store = world.trust("state");
    let nowhere = Url::parse("http://127.0.0.1:9/").unwrap();
    let source = Source { metadata: nowhere.clone(), targets: nowhere, http: http() };
    assert!(matches!(
        refresh(&store, &source, Timestamp::now()).await,
        Err(RepositoryError::Unreachable { .. })
    ));
    fs::write(world.path("repo/metadata/timestamp.json"), vec![b' '; 20 << 20]).unwrap();
    let source = serve(&world.path("repo")).await;
    assert!(matches!(
        refresh(&store, &source, Timestamp::now()).await,
        Err(RepositoryError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn mirror_serves_what_the_origin_served_and_survives_interruption() {
    let world = World::new().await;
    drop(world.publish(&[world.pack("1000", "1100", "one")]).await.unwrap());
    let origin = serve(&world.path("repo")).await;
    let upstream = world.trust("server");
    let mirror = world.path("mirror");
    let report =
        refresh(&upstream, &origin, Timestamp::now()).await.unwrap().mirror(&mirror).await.unwrap();
    // Catalogue, record, the record compressed, bundle.
    assert_eq!((report.fetched, report.kept), (4, 0));
    let agent = world.trust("agent");
    let served = serve(&mirror).await;
    assert_eq!(
        refresh(&agent, &served, Timestamp::now()).await.unwrap().versions()["timestamp"],
        2
    );

    drop(world.publish(&[world.pack("1100", "1200", "twelve")]).await.unwrap());
    let repository = refresh(&upstream, &origin, Timestamp::now()).await.unwrap();
    // Interrupted: one of the new targets cannot be fetched.
    let bundle = repository.locate(&name("packs/ledger/1200/bundle")).await.unwrap();
    let file = world.path("repo").join(&bundle.path()[1..]);
    fs::rename(&file, world.path("away")).unwrap();
    assert!(matches!(repository.mirror(&mirror).await, Err(RepositoryError::MissingFile { .. })));
    let old = refresh(&agent, &served, Timestamp::now()).await.unwrap();
    assert_eq!(old.catalog().await.unwrap().packs.len(), 1, "the state before is still whole");
    fs::rename(world.path("away"), &file).unwrap();
    let report = repository.mirror(&mirror).await.unwrap();
    assert!(report.kept >= 2, "{report:?}");
    assert_eq!(
        refresh(&agent, &served, Timestamp::now())
            .await
            .unwrap()
            .catalog()
            .await
            .unwrap()
            .packs
            .len(),
        2
    );
}

#[tokio::test]
async fn threshold_of_offline_keys_holds() {
    let two = Signers { keys: 2, threshold: 2 };
    let options = InitOptions { root: two, targets: two, ..InitOptions::default() };
    let world = World::with(&options, Timestamp::now()).await;
    world.refresh(&world.trust("state")).await.unwrap();
    fs::remove_file(world.path("keys/targets-2.der")).unwrap();
    let error = world.publish(&[world.pack("1000", "1100", "one")]).await.unwrap_err();
    assert!(
        matches!(&error, ForgeError::BelowThreshold { role, threshold: 2, found: 1 } if role == "targets"),
        "{error}"
    );
    let bad = InitOptions { root: Signers { keys: 1, threshold: 2 }, ..InitOptions::default() };
    let error =
        repo::init(&world.path("r2"), &world.path("k2"), &bad, Timestamp::now()).await.unwrap_err();
    assert!(matches!(error, ForgeError::Threshold { .. }), "{error}");
    let error = repo::init(&world.path("repo"), &world.path("k3"), &options, Timestamp::now())
        .await
        .unwrap_err();
    assert!(matches!(error, ForgeError::Exists { .. }), "{error}");
}
