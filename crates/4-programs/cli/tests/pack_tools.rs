//! `refit pack lint|build|diff|verify|readme|import|schema` as scripts see them.

use assert_cmd::Command;
use serde_json::Value;
use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, fs::symlink},
    path::Path,
    time::{Duration, SystemTime},
};

fn refit(dir: &Path, args: &[&str], exit: i32) -> (String, String) {
    let output = Command::cargo_bin("refit").unwrap().current_dir(dir).args(args).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(exit), "{args:?}\n{out}\n{err}");
    (out, err)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A copy in another order, with other times and other modes for group and others.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().flatten().collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        fs::copy(entry.path(), &target).unwrap();
        let mode = fs::metadata(&target).unwrap().permissions().mode() & 0o700;
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        fs::File::options().append(true).open(&target).unwrap().set_modified(old).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn every_fault_of_a_folder_is_told_at_once_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refit(dir, &["pack", "init", "hello"], 0);
    let (clean, _) = refit(dir, &["pack", "lint", "hello", "--json"], 0);
    assert_eq!(json(&clean)["faults"], serde_json::json!([]));
    assert_eq!(json(&clean)["advice"].as_array().unwrap().len(), 1, "{clean}");

    let hello = dir.join("hello");
    replace(&hello.join("pack.yaml"), "title: ", "titel: ");
    replace(&hello.join("pack.yaml"), "kind: service-pack", "kind: huge");
    replace(&hello.join("runbook.yaml"), "service.stop", "service.stp");
    symlink("/etc/passwd", hello.join("payload/out")).unwrap();
    symlink("../../../out", hello.join("web/up")).unwrap();
    fs::write(hello.join("payload/README"), "").unwrap();
    fs::write(hello.join("payload/readme"), "").unwrap();
    fs::write(hello.join("payload").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    fs::remove_file(hello.join("README.md")).unwrap();
    let (told, _) = refit(dir, &["pack", "lint", "hello", "--json"], 1);
    let told = json(&told);
    let all: Vec<String> =
        told["faults"].as_array().unwrap().iter().map(Value::to_string).collect();
    let all = all.join("\n");
    for expected in [
        "did you mean `title`?",
        "expected one of `minor`, `service-pack`, `feature`, found `huge`",
        "did you mean `service.stop`?",
        "`/etc/passwd` leaves the tree",
        "`../../../out` leaves the tree",
        "upper and lower case",
        "not UTF-8",
        "README.md",
    ] {
        assert!(all.contains(expected), "no {expected:?} in\n{all}");
    }
    assert_eq!(told["faults"].as_array().unwrap().len(), 8, "{all}");
    assert_eq!((&told["faults"][0]["line"], &told["faults"][0]["column"]), (&8.into(), &7.into()));
    let (_, error) = refit(dir, &["pack", "build", "hello"], 1);
    assert!(
        error.contains("8 faults") && error.contains("docs/errors/pack.manifest-shape.md"),
        "{error}"
    );
    assert!(!dir.join("hello-1100.refit").exists());
}

#[test]
fn same_input_gives_same_bytes_in_another_folder_order_time_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refit(dir, &["pack", "init", "hello"], 0);
    copy(&dir.join("hello"), &dir.join("other/place"));
    refit(dir, &["pack", "build", "hello", "--out", "a.refit"], 0);
    refit(dir, &["pack", "build", "other/place", "--out", "b.refit"], 0);
    assert_eq!(fs::read(dir.join("a.refit")).unwrap(), fs::read(dir.join("b.refit")).unwrap());
    let (told, _) = refit(dir, &["pack", "build", "hello", "--dry-run", "--json"], 8);
    let (inspected, _) = refit(dir, &["pack", "inspect", "a.refit", "--json"], 0);
    assert_eq!(json(&told)["record"], json(&inspected)["record"]);
    assert!(!dir.join("hello-1100.refit").exists());
}

#[test]
fn file_folder_and_published_pack_can_be_compared() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refit(dir, &["pack", "init", "hello"], 0);
    refit(dir, &["pack", "build", "hello"], 0);
    refit(dir, &["repo", "init", "repo", "--keys", "keys"], 0);
    refit(dir, &["repo", "publish", "repo", "--keys", "keys", "hello-1100.refit"], 0);
    let (same, _) =
        refit(dir, &["pack", "diff", "hello@1100", "hello", "--repo", "repo", "--json"], 0);
    let same = json(&same);
    assert_eq!(
        (&same["manifest"], &same["files"]["unchanged"]),
        (&serde_json::json!([]), &3.into())
    );
    refit(dir, &["pack", "verify", "hello-1100.refit", "--repo", "repo"], 0);
    let (readme, _) = refit(dir, &["pack", "readme", "hello@1100", "--repo", "repo"], 0);
    assert!(readme.starts_with("# hello 1100"));

    fs::write(dir.join("hello/payload/new"), "12345").unwrap();
    fs::remove_file(dir.join("hello/web/index.html")).unwrap();
    replace(&dir.join("hello/pack.yaml"), "p50_ms: 20000", "p50_ms: 30000");
    replace(
        &dir.join("hello/pack.yaml"),
        "requirements:",
        "switches: [{ name: export, before: \"off\", after: \"on\", text: Every night. }]\nrequirements:",
    );
    replace(&dir.join("hello/runbook.yaml"), "retries: 10", "retries: 5");
    let (told, _) = refit(dir, &["pack", "diff", "hello-1100.refit", "hello"], 0);
    for expected in [
        "estimate.p50_ms: 20000 -> 30000",
        "steps.answers.retries: 10 -> 5",
        "added    payload/new  5 B",
        "removed  web/index.html",
        "1 added, 1 removed, 0 changed, 2 unchanged",
    ] {
        assert!(told.contains(expected), "no {expected:?} in\n{told}");
    }
    refit(dir, &["pack", "build", "hello", "--out", "other.refit"], 0);
    let (_, error) = refit(dir, &["pack", "verify", "other.refit", "--repo", "repo"], 9);
    assert!(error.contains("is not what is published as hello@1100"), "{error}");
    refit(dir, &["pack", "readme", "hello@9", "--repo", "repo"], 3);
    let (readme, _) = refit(dir, &["pack", "readme", "other.refit"], 0);
    assert!(readme.contains("export: off -> on. Every night."), "{readme}");
}

#[test]
fn hostile_archive_leaves_nothing_and_a_good_one_only_needs_from() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("ledger-1.2/bin")).unwrap();
    fs::write(dir.join("ledger-1.2/bin/ledger"), "#!/bin/sh\n").unwrap();
    symlink("../../..", dir.join("ledger-1.2/up")).unwrap();
    let (_, error) = refit(dir, &["pack", "import", "ledger-1.2", "--out", "ledger"], 1);
    assert!(error.contains("`up`: its link to `../../..` leaves the tree"), "{error}");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);
    fs::remove_file(dir.join("ledger-1.2/up")).unwrap();
    refit(dir, &["pack", "import", "ledger-1.2", "--out", "ledger"], 0);
    let (told, _) = refit(dir, &["pack", "lint", "ledger"], 1);
    assert!(told.contains("pack.yaml:5:7: field `from`: expected at least one build"), "{told}");
    replace(&dir.join("ledger/pack.yaml"), "from: []", "from: [\"1.1\"]");
    refit(dir, &["pack", "build", "ledger"], 0);
    assert!(dir.join("ledger-1.2.refit").is_file());
    refit(dir, &["pack", "import", "ledger-1.2", "--out", "ledger"], 1);
}

#[test]
fn schemas_are_printed_and_runbooks_are_linted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for of in ["pack", "runbook", "record", "catalog"] {
        let (schema, _) = refit(dir, &["pack", "schema", of], 0);
        assert_eq!(json(&schema)["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
    let (schema, _) = refit(dir, &["runbook", "schema"], 0);
    assert_eq!(json(&schema)["title"], "Runbook");
    refit(dir, &["pack", "init", "hello"], 0);
    refit(dir, &["runbook", "lint", "hello/runbook.yaml"], 0);
    replace(&dir.join("hello/runbook.yaml"), "phase: before", "phase: befor");
    let (told, _) = refit(dir, &["runbook", "lint", "hello/runbook.yaml"], 1);
    assert!(told.contains("did you mean `before`?"), "{told}");
}
