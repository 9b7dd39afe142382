//! Exit codes, errors as JSON, and that no command is without documentation.

use assert_cmd::Command;
use std::{collections::BTreeSet, fs, process::Output};

fn refit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_refit")).env_clear().args(args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The verbs that help lists.
fn verbs(args: &[&str]) -> Vec<String> {
    let help = out(&refit(&[args, &["--help"]].concat()));
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned))
        .filter(|verb| !verb.is_empty() && verb != "help")
        .collect()
}

/// A row of the noun names the verb, with the noun before it or without, with arguments behind it or without.
fn stands(page: &str, noun: &str, verb: &str) -> bool {
    let row = |line: &&str| line.contains(&format!("`refit {noun} "));
    page.lines().filter(row).any(|line| {
        let names = [format!("`refit {noun} {verb}"), format!("`{verb}")];
        names
            .iter()
            .any(|name| line.contains(&format!("{name}`")) || line.contains(&format!("{name} ")))
    })
}

#[test]
fn every_command_stands_in_the_documentation() {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/cli.md")).unwrap();
    let nouns = verbs(&[]);
    assert!(nouns.len() >= 9, "{nouns:?}");
    let missing: BTreeSet<String> = nouns
        .iter()
        .flat_map(|noun| {
            let verbs = verbs(&[noun]);
            if verbs.is_empty() {
                return vec![format!("`refit {noun}`")];
            }
            verbs
                .into_iter()
                .filter(|verb| !stands(&page, noun, verb))
                .map(|verb| format!("`refit {noun} {verb}`"))
                .collect()
        })
        .filter(|command| !page.contains(command))
        .collect();
    assert!(missing.is_empty(), "docs/cli.md lacks {missing:?}");
}

#[test]
fn wrong_arguments_end_with_2_and_help_with_0() {
    assert_eq!(refit(&["rollout", "fly"]).status.code(), Some(2));
    assert_eq!(refit(&["demo", "--hosts", "0"]).status.code(), Some(2));
    let help = refit(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("124 timed out"));
}

#[test]
fn command_without_token_is_denied_and_names_the_three_ways_to_give_one() {
    let output = refit(&["--json", "rollout", "list"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(output.stdout.is_empty());
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "cli.no-token");
    for way in ["--token-file", "REFIT_TOKEN_FILE", "REFIT_TOKEN"] {
        assert!(error["error"]["text"].as_str().unwrap().contains(way), "{error}");
    }
}

#[test]
fn server_that_does_not_answer_ends_with_5_and_the_root_cause() {
    // Port 1 of loopback: nobody listens there, and no test may.
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    let output = command
        .env_clear()
        .env("REFIT_TOKEN", "x")
        .args(["--server", "https://127.0.0.1:1", "rollout", "list"])
        .args(["--ca", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/authority.pem")])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("Connection refused") && said.contains("docs/errors/"), "{said}");
}

#[test]
fn reader_that_goes_away_is_no_error() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../3-world/documents/tests/certificate/");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_refit"))
        .args([
            "signoff",
            "verify",
            "--json",
            &format!("{kept}kept.json"),
            "--key",
            &format!("{kept}kept.pub.pem"),
        ])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
