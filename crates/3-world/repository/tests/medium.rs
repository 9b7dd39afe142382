//! Media from export to import: whole or refused, and the same files as over the network.

use jiff::{SignedDuration, Timestamp};
use refit_forge::{
    key::Keyring,
    pack, pack_file,
    repo::{self, InitOptions, Withdrawal},
};
use refit_names::Coded as _;
use refit_repository::{
    Repository, Source, TrustStore,
    medium::{ImportOptions, MediumError, Selection, export, import, verify},
    refresh,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use url::Url;

const LIFE: SignedDuration = SignedDuration::from_hours(24);

struct Site {
    dir: TempDir,
}

impl Site {
    /// `ledger` 1000 → 1100 → 1200 in a repository.
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (repo, keys) = (dir.path().join("repo"), dir.path().join("keys"));
        let now = Timestamp::now();
        repo::init(&repo, &keys, &InitOptions::default(), now).await.unwrap();
        let mut packs = Vec::new();
        for (from, to) in [("1000", "1100"), ("1100", "1200")] {
            let source = dir.path().join(format!("pack-{to}"));
            fs::create_dir_all(source.join("payload")).unwrap();
            fs::write(source.join("payload/file"), format!("{to}\n").repeat(50_000)).unwrap();
            fs::write(source.join("README.md"), "what is new").unwrap();
            let manifest = format!(
                "format: refit.pack/1\nproduct: ledger\nfrom: [{from}]\nto: {to}\nkind: minor\ntitle: Ledger {to}\n\
                 readme: README.md\npayload: payload\nunit:\n  data: [data]\n"
            );
            fs::write(source.join("pack.yaml"), manifest).unwrap();
            let built = pack::build(&source).unwrap();
            let file = dir.path().join(built.file_name());
            pack_file::write(&built, &file, None).unwrap();
            packs.push(file);
        }
        let _ = repo::publish(&repo, &keys, &packs, None, LIFE, now).await.unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn root(&self) -> Vec<u8> {
        fs::read(self.path("repo/metadata/1.root.json")).unwrap()
    }

    async fn repository(&self, trust: &str) -> Repository {
        let url = |name: &str| Url::from_directory_path(self.path("repo").join(name)).unwrap();
        let store = TrustStore::create(&self.path(trust), &self.root()).unwrap();
        let source = Source { metadata: url("metadata"), targets: url("targets"), http: client() };
        refresh(&store, &source, Timestamp::now()).await.unwrap()
    }

    async fn export(&self, name: &str, selection: &Selection) -> PathBuf {
        let dir = self.path(name);
        let repository = self.repository("publisher").await;
        export(&repository, &dir, selection, Timestamp::now()).await.unwrap();
        dir
    }

    fn options(&self, medium: &Path, into: &str) -> ImportOptions {
        let into = self.path(into);
        let trust = into.join("trust");
        let root = (!trust.exists()).then(|| self.root());
        ImportOptions { medium: medium.to_owned(), into, trust, root, http: client() }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).build().unwrap()
}

/// Every file below a folder with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn one(dir: &Path, end: &str) -> PathBuf {
    let name = files(dir).into_keys().find(|name| name.ends_with(end)).unwrap();
    dir.join(name)
}

#[tokio::test]
async fn import_gives_the_same_files_as_a_mirror() {
    let site = Site::open().await;
    let medium = site.export("usb", &Selection::All).await;
    let report = import(&site.options(&medium, "closed"), Timestamp::now()).await.unwrap();
    assert_eq!(report.medium.packs.len(), 2);
    let mirror = site.path("mirror");
    let _ = site.repository("online").await.mirror(&mirror).await.unwrap();
    for folder in ["metadata", "targets"] {
        let closed = files(&site.path("closed").join(folder));
        assert_eq!(
            closed.keys().collect::<Vec<_>>(),
            files(&mirror.join(folder)).keys().collect::<Vec<_>>()
        );
        assert_eq!(closed, files(&mirror.join(folder)));
    }
    // Again: nothing is copied twice.
    let again = import(&site.options(&medium, "closed"), Timestamp::now()).await.unwrap();
    assert_eq!((again.copied.fetched, again.copied.kept), (0, report.copied.fetched));
}

#[tokio::test]
async fn medium_with_some_packs_is_complete_in_itself_and_a_second_one_adds_to_it() {
    let site = Site::open().await;
    let path = |from: &str, to: &str| Selection::Path {
        product: "ledger".parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    };
    let first = site.export("first", &path("1000", "1100")).await;
    assert!(!files(&first).keys().any(|name| name.contains("1200")));
    let report = import(&site.options(&first, "closed"), Timestamp::now()).await.unwrap();
    assert!(report.copied.absent > 0);
    let here = files(&site.path("closed"));
    assert!(
        !here.keys().any(|name| name.contains("1200") || name.ends_with(".partial")),
        "{:?}",
        here.keys()
    );
    let second = site.export("second", &path("1100", "1200")).await;
    let _ = import(&site.options(&second, "closed"), Timestamp::now()).await.unwrap();
    assert!(files(&site.path("closed")).keys().any(|name| name.contains("1200")));
    let (repository, third) = (site.repository("publisher").await, site.path("third"));
    let backwards = path("1200", "1000");
    let nowhere = export(&repository, &third, &backwards, Timestamp::now());
    assert_eq!(nowhere.await.unwrap_err().code(), "path.older");
    assert!(!third.exists());
}

#[tokio::test]
async fn every_damaged_missing_and_foreign_file_is_named_and_nothing_is_copied() {
    let site = Site::open().await;
    let medium = site.export("usb", &Selection::All).await;
    let bundle = one(&medium, ".bundle");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[10] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    fs::remove_file(one(&medium, "catalog.json")).unwrap();
    fs::write(medium.join("targets/more"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", medium.join("targets/link")).unwrap();
    let refused = import(&site.options(&medium, "closed"), Timestamp::now()).await.unwrap_err();
    let MediumError::Damaged { faults, .. } = &refused else { panic!("{refused}") };
    for (name, what) in [
        (".bundle", "is damaged: expected sha256"),
        ("catalog.json", "is missing"),
        ("targets/more", "is not on the list"),
        ("targets/link", "is no regular file"),
    ] {
        assert!(
            faults.iter().any(|fault| fault.contains(name) && fault.contains(what)),
            "{name}: {faults:?}"
        );
    }
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(!site.path("closed").exists());
}

#[tokio::test]
async fn list_that_agrees_with_a_changed_file_does_not_help_against_the_signature() {
    let site = Site::open().await;
    let medium = site.export("usb", &Selection::All).await;
    let bundle = one(&medium, ".bundle");
    fs::write(&bundle, "something else").unwrap();
    let list = medium.join("medium.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
    let name = bundle.strip_prefix(&medium).unwrap().display().to_string();
    for file in json["files"].as_array_mut().unwrap() {
        if file["name"] == name {
            file["size"] = 14.into();
            file["sha256"] = refit_names::Digest::of(b"something else").to_string().into();
        }
    }
    fs::write(&list, json.to_string()).unwrap();
    let refused = verify(&site.options(&medium, "closed"), Timestamp::now()).await.unwrap_err();
    assert!(refused.to_string().contains("is not what was signed"), "{refused}");
}

#[tokio::test]
async fn older_medium_is_refused_after_a_newer_one() {
    let site = Site::open().await;
    let old = site.export("old", &Selection::All).await;
    let keys = Keyring::open(&site.path("keys"), None).unwrap();
    let (product, build) = ("ledger".parse().unwrap(), "1200".parse().unwrap());
    let what = Withdrawal::own(product, build, "damages indexes".to_owned());
    let _ = repo::withdraw(&site.path("repo"), &keys, &what, LIFE, Timestamp::now()).unwrap();
    let new = site.export("new", &Selection::All).await;
    assert!(!files(&new).keys().any(|name| name.contains("1200")), "a withdrawn pack came along");
    let _ = import(&site.options(&new, "closed"), Timestamp::now()).await.unwrap();
    let before = files(&site.path("closed"));
    let refused = import(&site.options(&old, "closed"), Timestamp::now()).await.unwrap_err();
    assert_eq!(refused.code(), "repository.rollback");
    assert_eq!(files(&site.path("closed")), before);
}

#[tokio::test]
async fn folder_with_other_things_is_not_written_to() {
    let site = Site::open().await;
    let dir = site.path("photos");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("one.jpg"), "x").unwrap();
    let repository = site.repository("publisher").await;
    let refused = export(&repository, &dir, &Selection::All, Timestamp::now()).await.unwrap_err();
    assert_eq!(refused.code(), "medium.not-empty");
    assert_eq!(files(&dir).len(), 1);
}
