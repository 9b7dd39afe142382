//! `refit pack` and `refit repo` as scripts see them: exit codes, JSON, and that a refusal changes nothing.

use assert_cmd::Command;
use serde_json::Value;
use std::{fs, path::Path};

/// Runs the program in `dir` and compares its exit code.
fn refit(dir: &Path, args: &[&str], exit: i32) -> (String, String) {
    let output = Command::cargo_bin("refit").unwrap().current_dir(dir).args(args).output().unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(exit), "{args:?}\n{out}\n{err}");
    (out, err)
}

fn code(error: &str) -> String {
    let line = error.lines().last().unwrap();
    serde_json::from_str::<Value>(line).unwrap()["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn example_goes_from_folder_to_host_and_bad_input_ends_with_nine() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refit(dir, &["pack", "init", "hello"], 0);
    refit(dir, &["pack", "keygen", "--out", "signer.der"], 0);
    refit(dir, &["pack", "keygen", "--out", "other.der"], 0);
    let (built, _) = refit(dir, &["pack", "build", "hello", "--key", "signer.der", "--json"], 0);
    let built: Value = serde_json::from_str(&built).unwrap();
    let (verified, _) =
        refit(dir, &["pack", "verify", "hello-1100.refit", "--key", "signer.pub.pem", "--json"], 0);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!((&verified["sha256"], &verified["signer"]), (&built["sha256"], &built["signer"]));

    // Signed by another, not signed, damaged, no pack, no file.
    refit(dir, &["pack", "build", "hello", "--out", "unsigned.refit"], 0);
    let mut bytes = fs::read(dir.join("hello-1100.refit")).unwrap();
    let middle = bytes.len() - 200;
    bytes[middle] ^= 1;
    fs::write(dir.join("damaged.refit"), bytes).unwrap();
    for (args, exit, expected) in [
        (&["hello-1100.refit", "--key", "other.pub.pem"][..], 9, "pack.wrong-key"),
        (&["unsigned.refit", "--key", "signer.pub.pem"], 9, "pack.unsigned"),
        (&["damaged.refit"], 9, "pack.damaged"),
        (&["hello/pack.yaml"], 9, "pack.not-a-pack"),
        (&["nothing.refit"], 3, "pack.file-system"),
    ] {
        let (_, error) = refit(dir, &[&["--json", "pack", "verify"], args].concat(), exit);
        assert_eq!(code(&error), expected);
    }

    refit(dir, &["repo", "init", "repo", "--keys", "keys"], 0);
    refit(
        dir,
        &["repo", "publish", "repo", "--keys", "keys", "--key", "signer.pub.pem", "unsigned.refit"],
        9,
    );
    refit(
        dir,
        &[
            "repo",
            "publish",
            "repo",
            "--keys",
            "keys",
            "--key",
            "signer.pub.pem",
            "hello-1100.refit",
        ],
        0,
    );
    refit(dir, &["repo", "trust", "--root", "repo/metadata/1.root.json", "--state", "state"], 0);
    let base = format!("file://{}/repo", dir.display());
    let (metadata, targets) = (format!("{base}/metadata"), format!("{base}/targets"));
    let (seen, _) = refit(
        dir,
        &["repo", "refresh", "--state", "state", "--metadata-url", &metadata, "--json"],
        0,
    );
    assert_eq!(serde_json::from_str::<Value>(&seen).unwrap()["versions"]["targets"], 2);
    let get = [
        "repo",
        "get",
        "--state",
        "state",
        "--metadata-url",
        &metadata,
        "--targets-url",
        &targets,
        "--out",
        "out",
        "--target",
    ];
    refit(dir, &[&get[..], &["packs/hello/1100/record.json"]].concat(), 0);
    assert!(dir.join("out/packs/hello/1100/record.json").is_file());
    refit(dir, &[&get[..], &["packs/none"]].concat(), 3);
    refit(dir, &[&get[..], &["../out"]].concat(), 2);
    refit(
        dir,
        &["repo", "refresh", "--state", "state", "--metadata-url", "http://127.0.0.1:9/"],
        5,
    );
}

#[test]
fn expired_repository_ends_with_nine_until_it_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refit(dir, &["repo", "init", "repo", "--keys", "keys", "--expires", "0s"], 0);
    refit(dir, &["repo", "trust", "--root", "repo/metadata/1.root.json", "--state", "state"], 0);
    let metadata = format!("file://{}/repo/metadata", dir.display());
    let refresh = ["--json", "repo", "refresh", "--state", "state", "--metadata-url", &metadata];
    assert_eq!(code(&refit(dir, &refresh, 9).1), "repository.expired");
    refit(dir, &["repo", "publish", "repo", "--keys", "keys"], 0);
    refit(dir, &refresh, 0);
}

/// A repository that has build 1100 of `hello`, and the folder of build 1200, which may follow it.
fn two_builds(dir: &Path) {
    refit(dir, &["pack", "init", "hello"], 0);
    let program: String = (0..20_000).map(|line| format!("echo line {line}\n")).collect();
    fs::write(dir.join("hello/payload/bin/long"), &program).unwrap();
    refit(dir, &["pack", "build", "hello"], 0);
    refit(dir, &["repo", "init", "repo", "--keys", "keys"], 0);
    refit(dir, &["repo", "publish", "repo", "--keys", "keys", "hello-1100.refit"], 0);
    let program = program.replace("line 777", "row 777");
    fs::write(dir.join("hello/payload/bin/long"), program).unwrap();
    let manifest = fs::read_to_string(dir.join("hello/pack.yaml")).unwrap();
    let manifest = manifest.replace("\"1100\"", "\"1200\"").replace("\"1000\"", "\"1100\"");
    fs::write(dir.join("hello/pack.yaml"), manifest).unwrap();
}

#[test]
fn deltas_come_from_builds_that_a_repository_has() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    two_builds(dir);
    let build = |against: &str, exit| {
        let args =
            ["--json", "pack", "build", "hello", "--against-repository", against, "--out", "with"];
        refit(dir, &args, exit).1
    };
    assert_eq!(code(&build("nothing", 9)), "repo.broken");
    assert_eq!(code(&build("hello", 9)), "repo.broken");
    assert!(!dir.join("with").exists(), "a wrong repository is no reason to build without deltas");
    build("repo", 0);
    let pack = "with/hello-1200.refit";
    let (seen, _) = refit(dir, &["pack", "inspect", pack, "--json"], 0);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["deltas"][0]["from"], "1100", "{seen}");
    let (delta, whole) = (&seen["deltas"][0]["stored"], &seen["payload"]["bytes"]);
    assert!(delta.as_u64().unwrap() * 20 < whole.as_u64().unwrap(), "{delta} of {whole}");

    // The same bytes as from the pack file itself; and whoever forgets them is told while publishing.
    refit(dir, &["pack", "build", "hello", "--against", "hello-1100.refit", "--out", "file"], 0);
    assert_eq!(
        fs::read(dir.join("file/hello-1200.refit")).unwrap(),
        fs::read(dir.join(pack)).unwrap()
    );
    refit(dir, &["pack", "build", "hello", "--out", "without"], 0);
    let publish = ["repo", "publish", "repo", "--keys", "keys", "without/hello-1200.refit"];
    let (_, told) = refit(dir, &publish, 0);
    assert!(told.contains("no deltas from 1100, which this repository has"), "{told}");
}

#[test]
fn cleaning_shows_first_and_leaves_what_clients_may_ask_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    two_builds(dir);
    refit(dir, &["pack", "build", "hello", "--out", "."], 0);
    refit(dir, &["repo", "publish", "repo", "--keys", "keys", "hello-1200.refit"], 0);
    fs::write(dir.join("repo/targets/left.bundle"), "of a publication that was interrupted")
        .unwrap();
    let clean = |more: &[&str], exit| {
        let args = ["--json", "repo", "clean", "repo", "--older-than", "0s"];
        refit(dir, &[&args[..], more].concat(), exit)
    };
    let files = |text: &str| -> Vec<String> {
        let seen: Value = serde_json::from_str(text).unwrap();
        let files = seen["files"].as_array().unwrap().iter();
        files.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    let young = refit(dir, &["--json", "repo", "clean", "repo", "--dry-run"], 0).0;
    assert!(files(&young).is_empty(), "what is young stays: {young}");
    let would = files(&clean(&["--dry-run"], 8).0);
    assert!(would.contains(&"targets/left.bundle".to_owned()), "{would:?}");
    assert_eq!(code(&clean(&[], 1).1), "cli.declined");
    assert!(dir.join("repo/targets/left.bundle").exists());
    assert_eq!(files(&clean(&["--yes"], 0).0), would);
    assert!(files(&clean(&["--dry-run"], 0).0).is_empty());

    // Whatever is still offered can be fetched whole.
    let export = |medium: &str| refit(dir, &["repo", "export", medium, "--repository", "repo"], 0);
    export("before");
    let withdraw = ["hello", "1100", "--reason", "it loses data", "--keys", "keys", "--yes"];
    refit(dir, &[&["repo", "withdraw", "--in", "repo"], &withdraw[..]].concat(), 0);
    let would = files(&clean(&["--withdrawn", "--dry-run"], 8).0);
    assert!(would.iter().any(|path| path.starts_with("targets/packs/hello/1100/")), "{would:?}");
    clean(&["--withdrawn", "--yes"], 2);
    assert!(dir.join("repo").join(&would[would.len() - 1]).exists());
    clean(&["--withdrawn", "--keys", "keys", "--yes"], 0);
    assert!(files(&clean(&["--withdrawn", "--dry-run"], 0).0).is_empty());
    export("after");
    let offered = |medium: &str| {
        let folder = dir.join(medium).join("targets/packs/hello");
        fs::read_dir(folder).unwrap().count()
    };
    assert_eq!((offered("before"), offered("after")), (2, 1));
    for wrong in ["nothing", "hello"] {
        let (_, error) = refit(dir, &["--json", "repo", "clean", wrong, "--dry-run"], 9);
        assert_eq!(code(&error), "repo.broken");
    }
}
