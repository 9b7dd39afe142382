//! `refit runbook show` and `test`, and answers that cannot be meant.

use serde_json::Value;
use std::{fs, path::Path, process::Command};

/// Runs it in `dir`; data, talk, and the exit code that it must have.
fn refit(dir: &Path, args: &[&str], exit: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    command.current_dir(dir).args(args).env("PATH", format!("{}:/usr/bin:/bin", dir.display()));
    let ended = command.env_remove("REFIT_SERVER").env_remove("REFIT_TOKEN").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (data, talk) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(exit), "{args:?}\n{data}\n{talk}");
    (data, talk)
}

const BOOK: &str = r#"format: refit.runbook/1
name: clock
version: 3
parameters:
  port: { type: port, about: where it listens }
steps:
  - { id: stage, phase: stage, do: { install.stage: {} } }
  - { id: sure, phase: before, do: { people.confirm: { ask: application-owner, question: "May it stop?", within_ms: 60000 } } }
  - { id: switch, phase: install, do: { install.switch: {} } }
  - { id: well, phase: after, do: { people.decide: { ask: operator, question: "Well?", within_ms: 60000,
      choices: { fine: { about: go on, then: go-on }, back: { about: take it back, then: roll-back } } } } }
rollback: { method: switch-and-restore, trigger: it fails, deadline_ms: 300000, owner: operations }
"#;

#[test]
fn runbook_is_shown_by_phase_with_who_is_asked_and_what_silence_means() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("book.yaml"), BOOK).unwrap();
    let (text, _) = refit(dir.path(), &["runbook", "show", "book.yaml"], 0);
    for part in [
        "clock version 3",
        "parameter port",
        "asks the application-owner: May it stop?",
        "then fails",
        "way back",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.find("before (").unwrap() < text.find("install (").unwrap(), "{text}");
    let (json, _) = refit(dir.path(), &["runbook", "show", "book.yaml", "--json"], 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["steps"][3]["asks"], &json["steps"][0]["asks"]),
        (&"operator".into(), &Value::Null)
    );
    assert_eq!(json["advice"].as_array().unwrap().len(), 1, "{json}");
    let (lint, _) = refit(dir.path(), &["runbook", "lint", "book.yaml"], 0);
    assert!(lint.contains("advice  step `well`") && !lint.contains("`sure`"), "{lint}");
    let (shipped, _) = refit(dir.path(), &["runbook", "show", "file-print"], 0);
    assert!(shipped.contains("evidence.upload"), "{shipped}");
    let (_, talk) = refit(dir.path(), &["runbook", "show", "no-such"], 3);
    assert!(talk.contains("runbook.not-found"), "{talk}");
}

#[test]
fn question_that_cannot_be_answered_as_it_stands_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    for (from, to, wanted) in [
        ("within_ms: 60000,", "within_ms: 5,", "1000 to 86400000"),
        ("then: go-on", "then: roll-back", "a choice that goes on"),
        ("{ about: go on, then: go-on }", "{ about: again, then: repeat }", "right before it"),
        ("ask: operator", "ask: nobody", "`application-owner`"),
        ("question: \"Well?\"", "question: \"\"", "one line for people"),
        (
            "phase: after, do: { people.decide: {",
            "phase: after, severity: advisory, do: { people.decide: {",
            "a mandatory step",
        ),
    ] {
        assert!(BOOK.contains(from), "{from}");
        fs::write(dir.path().join("book.yaml"), BOOK.replace(from, to)).unwrap();
        let (faults, _) = refit(dir.path(), &["runbook", "lint", "book.yaml"], 1);
        assert!(faults.contains(wanted), "{to}: {faults}");
    }
}

#[test]
fn dry_run_asks_the_agent_of_this_machine_and_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("book.yaml"), BOOK).unwrap();
    refit(dir.path(), &["runbook", "test", "book.yaml"], 2);
    fs::write(dir.path().join("broken.yaml"), BOOK.replace("within_ms: 60000", "within: soon"))
        .unwrap();
    let (_, talk) = refit(dir.path(), &["runbook", "test", "broken.yaml", "--local"], 1);
    assert!(talk.contains("runbook.shape") && talk.contains("`within`"), "{talk}");
}

#[test]
fn answer_is_exactly_one() {
    let dir = tempfile::tempdir().unwrap();
    let answer = |more: &[&str], exit| {
        refit(dir.path(), &[&["rollout", "answer", "spring", "web-1", "sure"], more].concat(), exit)
    };
    answer(&[], 2);
    answer(&["--yes", "--no"], 2);
    answer(&["--set", "number"], 2);
    let token = ["--token-file", "none"];
    let with = |more: &[&str], exit| answer(&[more, &token].concat(), exit);
    fs::write(dir.path().join("none"), "token").unwrap();
    let (_, talk) = with(&["--set", "a=1", "--set", "a=2"], 2);
    assert!(talk.contains("field `a` is set twice"), "{talk}");
    let (_, talk) = with(&["--upload", "missing.png"], 3);
    assert!(talk.contains("missing.png"), "{talk}");
    let huge = fs::File::create(dir.path().join("huge.png")).unwrap();
    huge.set_len((16 << 20) + 1).unwrap();
    let (_, talk) = with(&["--upload", "huge.png"], 2);
    assert!(talk.contains("people.upload-too-large"), "{talk}");
}
