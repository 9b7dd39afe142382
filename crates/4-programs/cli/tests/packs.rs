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
