//! Every command of docs/repository-keys.md, in its order, and what must not go through on the way.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin("refit")
}

/// Runs a piece of shell text in `dir` with the program on the path.
fn shell(dir: &Path, text: &str) -> Output {
    let path =
        format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", text])
        .current_dir(dir)
        .env("PATH", path)
        .output()
        .unwrap()
}

fn done(dir: &Path, text: &str) -> String {
    let output = shell(dir, text);
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{out}{error}");
    out.into_owned()
}

fn refused(dir: &Path, text: &str, exit: i32, code: &str) {
    let output = shell(dir, &format!("refit --json {text}"));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{text}\n{error}");
    let last: Value = serde_json::from_str(error.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], code, "{text}\n{error}");
}

/// The shell texts of the page with the headings above them.
fn blocks(page: &str) -> Vec<(String, String)> {
    let (mut blocks, mut heading, mut inside) = (Vec::new(), String::new(), None::<String>);
    for line in page.lines() {
        match (&mut inside, line) {
            (None, "```sh") => inside = Some(String::new()),
            (Some(_), "```") => {
                blocks.extend(inside.take().map(|text| (heading.clone(), text)));
            }
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, line) => {
                if let Some(found) = line.strip_prefix("## ") {
                    heading = found.to_owned();
                }
            }
        }
    }
    blocks
}

#[test]
fn every_command_of_the_page_on_keys_works() {
    let page = include_str!("../../../../docs/repository-keys.md");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "mkdir holder-a holder-b holder-c holder-d acme writers");
    let blocks = blocks(page);
    assert!(blocks.len() > 12, "the page was read wrongly");
    for (heading, text) in &blocks {
        if text.contains("refit repo root publish repository --signed") {
            // One of two signatures is not enough, and nothing becomes visible.
            let first: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
            done(dir, &first);
            refused(dir, "repo root publish repository", 7, "repo.below-threshold");
            assert!(!dir.join("repository/metadata").exists());
            done(dir, &text.lines().skip(2).collect::<Vec<_>>().join("\n"));
            continue;
        }
        if heading == "The ceremony" && text.contains("refit repo stage") {
            let staged: Vec<&str> = text.lines().take(4).collect();
            done(dir, &staged.join("\n"));
            refused(dir, "repo publish repository --keys online", 7, "repo.below-threshold");
            assert!(!dir.join("repository/metadata/timestamp.json").exists());
            done(dir, &text.lines().skip(4).collect::<Vec<_>>().join("\n"));
            continue;
        }
        done(dir, text);
    }
    let status: Value =
        serde_json::from_str(&done(dir, "refit repo status repository --json")).unwrap();
    for role in status["roles"].as_array().unwrap() {
        assert!(role["signatures"].as_u64() >= role["threshold"].as_u64(), "{role}");
    }
    assert!(dir.join("out/packs/greeter/1100/record.json").exists());
    assert!(!dir.join("repository/staged").exists());

    // Tried, and nothing is changed.
    let before = done(dir, "find repository -type f | sort | xargs sha256sum");
    done(dir, "refit repo delegation remove repository acme --dry-run");
    assert_eq!(done(dir, "find repository -type f | sort | xargs sha256sum"), before);

    // Others may not sign or publish what is not theirs.
    refused(dir, "repo delegation stage repository acme hello-1100.refit", 4, "repo.not-delegated");
    refused(
        dir,
        "repo delegation stage repository nobody hello-1100.refit",
        3,
        "repo.no-delegation",
    );
    done(dir, "refit repo stage repository");
    refused(dir, "repo sign repository --key acme/acme-2.pem", 4, "repo.foreign-key");
    refused(dir, "repo publish repository --keys online", 7, "repo.below-threshold");
    refused(dir, "repo discard repository", 1, "cli.declined");
    done(dir, "refit repo discard repository --yes");
    refused(dir, "repo sign repository --key holder-b/targets.pem", 3, "repo.nothing-staged");
    refused(dir, "repo root sign repository --key holder-a/root.pem", 1, "pack.unusable-key");
}
