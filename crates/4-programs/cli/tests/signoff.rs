//! `refit signoff verify` needs no server, and says with its exit code whether a certificate holds.

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use std::{fs, process::Output};

fn kept(name: &str) -> PathBuf {
    let room = "../../3-world/documents/tests/certificate";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(room).join(name)
}

fn verify(file: &Path, json: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    command
        .env_clear()
        .args(["signoff", "verify"])
        .arg(file)
        .arg("--key")
        .arg(kept("kept.pub.pem"));
    if json {
        command.arg("--json");
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn certificate_that_holds_is_told_and_ends_with_0() {
    let found = verify(&kept("kept.json"), false);
    assert_eq!(found.status.code(), Some(0), "{}", text(&found.stderr));
    assert!(text(&found.stdout).contains("ledger@1200 on web-07"));
    let found = verify(&kept("kept.json"), true);
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(json["verified"], true);
    assert_eq!(json["certificate"]["evidence"]["run"]["downtime_ms"], 1_834);
}

#[test]
fn certificate_that_was_changed_ends_with_9_and_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.json");
    let whole = fs::read_to_string(kept("kept.json")).unwrap();
    let (before, after) = whole.split_once("\"payload\": \"eyJf").unwrap();
    fs::write(&changed, format!("{before}\"payload\": \"eyJg{after}")).unwrap();
    let found = verify(&changed, false);
    assert_eq!(found.status.code(), Some(9));
    assert!(text(&found.stdout).is_empty());
    assert!(text(&found.stderr).contains("certificate.bad-signature"), "{}", text(&found.stderr));
    let absent = verify(&folder.path().join("absent.json"), false);
    assert_eq!(absent.status.code(), Some(3));
}
