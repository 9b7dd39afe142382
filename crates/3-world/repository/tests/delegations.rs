//! Vendors beside the operator: what they may say is believed, the rest is refused by name, and nobody keeps the others' packs away.

use jiff::{SignedDuration, Timestamp};
use refit_forge::{
    key::{Keyring, SigningKey},
    pack, pack_file,
    repo::{self, DelegationOptions, InitOptions, RUNBOOKS, TARGETS},
};
use refit_names::{Coded as _, TargetName};
use refit_repository::{Repository, RepositoryError, Source, TrustStore, refresh};
use std::{
    fs,
    path::{Path, PathBuf},
};
use url::Url;

const DAY: SignedDuration = SignedDuration::from_hours(24);

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// An operator with `ledger` 1100 and a vendor `acme` for the product `acme`.
    async fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let (repo, keys, now) = (world.path("repo"), world.path("keys"), Timestamp::now());
        repo::init(&repo, &keys, &InitOptions::default(), now).await.unwrap();
        let packs = [world.pack("ledger", "1100")];
        drop(repo::publish(&repo, &keys, &packs, None, DAY, now).await.unwrap());
        world.delegate("acme", "packs/acme/*");
        let _ = repo::stage_packs(&repo, "acme", &[world.pack("acme", "1100")], None, DAY, now)
            .unwrap();
        world.vendor_publishes("acme").unwrap();
        world
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

    fn delegate(&self, name: &str, path: &str) {
        let key = SigningKey::create(&self.path(&format!("{name}.der"))).unwrap();
        let options = DelegationOptions {
            name: name.to_owned(),
            keys: vec![key.public()],
            threshold: 1,
            paths: vec![path.to_owned()],
            terminating: false,
        };
        let (repo, now) = (self.path("repo"), Timestamp::now());
        let _ = repo::add_delegation(&repo, &options, DAY, now).unwrap();
        let _ = repo::sign_staged(&repo, TARGETS, None, &self.ring()).unwrap();
        repo::publish_staged(&repo, TARGETS, None, &[], &self.ring(), DAY, now).unwrap();
    }

    fn vendor_publishes(&self, name: &str) -> Result<(), refit_forge::ForgeError> {
        let (repo, now) = (self.path("repo"), Timestamp::now());
        let own = Keyring::read(&[self.path(&format!("{name}.der"))], None)?;
        let _ = repo::sign_staged(&repo, name, None, &own)?;
        repo::publish_staged(&repo, name, None, &[], &self.ring(), DAY, now).map(drop)
    }

    fn source(&self, folder: &str) -> Source {
        let url = |part: &str| Url::from_directory_path(self.path(folder).join(part)).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        Source { metadata: url("metadata"), targets: url("targets"), http }
    }

    async fn seen(&self, folder: &str, now: Timestamp) -> Result<Repository, RepositoryError> {
        let root = fs::read(self.path("repo/metadata/1.root.json")).unwrap();
        let trust = TrustStore::create(&self.path("trust"), &root)?;
        refresh(&trust, &self.source(folder), now).await
    }

    async fn repository(&self) -> Repository {
        self.seen("repo", Timestamp::now()).await.unwrap()
    }
}

async fn packs(repository: &Repository) -> Vec<String> {
    let catalog = repository.catalog().await.unwrap();
    catalog.packs.iter().map(|pack| format!("{} {}", pack.product, pack.to)).collect()
}

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

#[tokio::test]
async fn catalogues_of_vendors_are_merged_and_their_targets_are_found() {
    let world = World::new().await;
    let repository = world.repository().await;
    assert_eq!(packs(&repository).await, ["acme 1100", "ledger 1100"]);
    let record = repository.locate(&name("packs/acme/1100/record.json")).await.unwrap();
    assert!(record.to_file_path().unwrap().exists());
    let report = repository.mirror(&world.path("mirror")).await.unwrap();
    assert!(report.fetched > 5);
    let mirrored = world.seen("mirror", Timestamp::now()).await.unwrap();
    assert_eq!(packs(&mirrored).await.len(), 2);
}

#[tokio::test]
async fn vendor_speaks_for_his_own_products_only() {
    let world = World::new().await;
    let (repo, now) = (world.path("repo"), Timestamp::now());
    // The tools refuse to publish it …
    let error = repo::stage_packs(&repo, "acme", &[world.pack("ledger", "1200")], None, DAY, now)
        .unwrap_err();
    assert_eq!(error.code(), "repo.not-delegated");
    assert!(!repo.join("staged").exists());
    // … and a vendor with tools of his own is not believed.
    let ledger = world.repository().await.catalog().await.unwrap().packs[1].clone();
    let _ = repo::stage_catalog(
        &repo,
        "acme",
        |catalog| {
            catalog
                .packs
                .push(refit_packs::catalog::PackSummary { to: "9999".parse().unwrap(), ..ledger });
            Ok(())
        },
        DAY,
        now,
    )
    .unwrap();
    world.vendor_publishes("acme").unwrap();
    let report = world.repository().await.catalog_report().await.unwrap();
    assert_eq!(report.catalog.packs.len(), 2);
    let refused: Vec<_> =
        report.refused.iter().map(|vendor| (vendor.role.as_str(), vendor.error.code())).collect();
    assert_eq!(refused, [("acme", "repository.not-delegated")]);
}

#[tokio::test]
async fn expired_vendor_keeps_nobody_elses_packs_away() {
    let world = World::new().await;
    let (repo, keys) = (world.path("repo"), world.path("keys"));
    // The vendor's metadata last a day; everybody else's longer.
    let later = Timestamp::now() + DAY + DAY;
    drop(repo::publish(&repo, &keys, &[], None, DAY + DAY + DAY, Timestamp::now()).await.unwrap());
    let repository = world.seen("repo", later).await.unwrap();
    let report = repository.catalog_report().await.unwrap();
    assert_eq!(report.catalog.packs.len(), 1);
    assert_eq!(report.refused[0].error.code(), "repository.expired");
    let error = repository.locate(&name("packs/acme/1100/record.json")).await.unwrap_err();
    assert_eq!(error.code(), "repository.expired");
    let _ = repository.mirror(&world.path("mirror")).await.unwrap();
    assert_eq!(packs(&world.seen("mirror", later).await.unwrap()).await, ["ledger 1100"]);
}

#[tokio::test]
async fn operator_withdraws_a_vendors_pack_without_the_vendors_key() {
    let world = World::new().await;
    let (repo, now) = (world.path("repo"), Timestamp::now());
    let acme = world.repository().await.catalog().await.unwrap().packs[0].clone();
    let withdraw = |catalog: &mut refit_packs::catalog::Catalog| {
        catalog.packs.push(refit_packs::catalog::PackSummary {
            withdrawn: Some("loses data".to_owned()),
            ..acme
        });
        Ok(())
    };
    repo::change_catalog(&repo, TARGETS, &world.ring(), withdraw, DAY, now).unwrap();
    let catalog = world.repository().await.catalog().await.unwrap();
    assert_eq!(catalog.packs[0].withdrawn.as_deref(), Some("loses data"));
    assert_eq!(catalog.packs.len(), 2);
}

#[tokio::test]
async fn stolen_vendor_key_is_revoked_and_its_packs_go_with_it() {
    let world = World::new().await;
    let (repo, now) = (world.path("repo"), Timestamp::now());
    let before = world.repository().await;
    assert_eq!(packs(&before).await.len(), 2);
    let _ = repo::remove_delegation(&repo, "acme", DAY, now).unwrap();
    let _ = repo::sign_staged(&repo, TARGETS, None, &world.ring()).unwrap();
    repo::publish_staged(&repo, TARGETS, None, &[], &world.ring(), DAY, now).unwrap();
    let after = world.repository().await;
    assert_eq!(packs(&after).await, ["ledger 1100"]);
    let error = after.locate(&name("packs/acme/1100/record.json")).await.unwrap_err();
    assert_eq!(error.code(), "repository.no-such-target");
    let error = repo::stage_packs(&repo, "acme", &[], None, DAY, now).unwrap_err();
    assert_eq!(error.code(), "repo.no-delegation");
}

#[tokio::test]
async fn runbooks_are_read_from_their_own_delegation() {
    let world = World::new().await;
    let (repo, now) = (world.path("repo"), Timestamp::now());
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../examples/ledger/packs/1100/runbook.yaml");
    let error = repo::publish_runbook(&repo, &file, &world.ring(), DAY, now).unwrap_err();
    assert_eq!(error.code(), "repo.no-delegation");
    world.delegate(RUNBOOKS, "runbooks/*");
    let (published, stage) = repo::stage_runbook(&repo, &file, DAY, now).unwrap();
    assert_eq!(stage.needed[0].found, 0);
    world.vendor_publishes(RUNBOOKS).unwrap();
    let repository = world.repository().await;
    let runbooks = repository.runbooks().await.unwrap();
    assert_eq!(runbooks.len(), 1);
    assert_eq!((&runbooks[0].target, runbooks[0].role.as_str()), (&published.target, RUNBOOKS));
    let runbook = repository.runbook(&runbooks[0]).await.unwrap();
    assert_eq!((runbook.name, runbook.version), (published.name, published.version));
    assert_eq!(packs(&repository).await.len(), 2, "runbooks are no packs");
    // The same version with other words is refused.
    let changed = world.path("changed.yaml");
    fs::write(&changed, fs::read_to_string(&file).unwrap() + "\n# other words\n").unwrap();
    let error = repo::stage_runbook(&repo, &changed, DAY, now).unwrap_err();
    assert_eq!(error.code(), "repo.already-published");
}

#[tokio::test]
async fn mirror_forgets_after_a_week_what_nothing_names() {
    let world = World::new().await;
    let (repo, keys, now) = (world.path("repo"), world.path("keys"), Timestamp::now());
    let mirror = world.path("mirror");
    let long = SignedDuration::from_hours(24 * 30);
    drop(repo::publish(&repo, &keys, &[], None, long, now).await.unwrap());
    let _ = repo::stage_packs(&repo, "acme", &[], None, long, now).unwrap();
    world.vendor_publishes("acme").unwrap();
    let _ = repo::refresh_timestamp(&repo, &world.ring(), long, now).unwrap();
    let _ = world.seen("repo", now).await.unwrap().mirror(&mirror).await.unwrap();
    let old = fs::read_dir(mirror.join("metadata")).unwrap().count();
    drop(
        repo::publish(&repo, &keys, &[world.pack("ledger", "1200")], None, long, now)
            .await
            .unwrap(),
    );
    let mut pruned = Vec::new();
    for days in [0, 6, 8] {
        let at = now + SignedDuration::from_hours(24 * days);
        let report = world.seen("repo", at).await.unwrap().mirror(&mirror).await.unwrap();
        pruned.push(report.pruned);
    }
    // Snapshot and targets metadata and the catalogue of before.
    assert_eq!(pruned, [0, 0, 3]);
    assert_eq!(fs::read_dir(mirror.join("metadata")).unwrap().count(), old);
    assert!(mirror.join("metadata/1.root.json").exists());
    assert_eq!(packs(&world.seen("mirror", now).await.unwrap()).await.len(), 3);
}
