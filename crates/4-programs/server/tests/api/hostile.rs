//! A repository that turns hostile: the server refuses it with the repository's own code, and what it mirrors and trusts stays as it is.

use crate::stage::{Stage, problem};
use jiff::{SignedDuration, Timestamp};
use refit_protocol::v1::Right;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn tree(base: &Path, below: &Path, found: &mut Tree) {
    for entry in fs::read_dir(base.join(below)).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            tree(base, &path, found);
        } else {
            found.insert(path.clone(), fs::read(base.join(&path)).unwrap());
        }
    }
}

fn read(dir: &Path) -> Tree {
    let mut found = Tree::new();
    tree(dir, Path::new(""), &mut found);
    found
}

fn write(dir: &Path, files: &Tree) {
    let _ = fs::remove_dir_all(dir);
    for (name, content) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

async fn renew(repo: &Path, keys: &Path) {
    let life = SignedDuration::from_hours(24);
    let now = Timestamp::now();
    drop(refit_forge::repo::publish(repo, keys, &[], None, life, now).await.unwrap());
}

#[tokio::test]
async fn hostile_repository_changes_nothing_on_the_server() {
    let stage = Stage::open().await;
    let folder = stage.folder.path();
    let (repo, keys) = (folder.join("repo"), folder.join("keys"));
    let planner = stage.person("planner", &[Right::Planner]).await;
    let old = read(&repo);
    renew(&repo, &keys).await;
    planner.refresh_repository().await.unwrap();
    let honest = read(&repo);

    let mut changed_record = honest.clone();
    let records = |path: &Path| path.to_str().is_some_and(|path| path.contains("record.json"));
    for (_, record) in changed_record.iter_mut().filter(|(path, _)| records(path)) {
        let middle = record.len() / 2;
        record[middle] ^= 1;
    }
    let mut junk = honest.clone();
    junk.insert("metadata/timestamp.json".into(), b"<html>log in</html>".to_vec());
    let mut silent = honest.clone();
    silent.remove(Path::new("metadata/timestamp.json"));
    let other = folder.join("other");
    let options = refit_forge::repo::InitOptions::default();
    let (now, other_keys) = (Timestamp::now(), folder.join("other-keys"));
    refit_forge::repo::init(&other, &other_keys, &options, now).await.unwrap();
    for _ in 0..4 {
        renew(&other, &other_keys).await;
    }

    let kept = ["tuf", "repository"].map(|part| folder.join("server").join(part));
    let before = kept.each_ref().map(|part| read(part));
    assert!(before.iter().all(|part| !part.is_empty()));
    for (hostile, code) in [
        (&old, "repository.rollback"),
        (&changed_record, "repository.hash-mismatch"),
        (&junk, "repository.malformed"),
        (&silent, "repository.missing-file"),
        (&read(&other), "repository.bad-signature"),
    ] {
        write(&repo, hostile);
        assert_eq!(problem(planner.refresh_repository().await).code, code);
        assert!(kept.each_ref().map(|part| read(part)) == before, "{code} changed something");
    }
    write(&repo, &honest);
    planner.refresh_repository().await.unwrap();
    stage.server.shutdown().await;
}
