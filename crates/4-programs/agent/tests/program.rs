//! The program without any server: what it says of wrong input, and how it survives a newer version of itself.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

fn run(state: &Path, config: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
    command.arg("run").arg("--state").arg(state).arg("--config").arg(config);
    command.env_remove("REFIT_AGENT_LAUNCHER").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn unknown_key_is_an_error_with_code_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("agent.toml");
    fs::write(&config, "\n[[products]]\nname = \"ledger\"\n").unwrap();
    let output = run(dir.path(), &config);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("error[agent.bad-configuration]: "), "{said}");
    assert!(said.contains("agent.toml, line 2: ") && said.contains("`products`"), "{said}");
}

#[test]
fn host_that_was_never_enrolled_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    let said = said(&run(dir.path(), &config));
    assert!(said.contains("error[agent.not-enrolled]: "), "{said}");
}

/// Selects a program that pretends to be a newer agent.
fn select(state: &Path, script: &str) {
    let program = state.join("agent/99.0.0/refit-agent");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let selected = serde_json::json!({
        "version": "99.0.0", "program": program, "starts": 0, "confirmed": false, "failed": null,
    });
    fs::write(state.join("agent/selected.json"), selected.to_string()).unwrap();
}

fn failed(state: &Path) -> String {
    let text = fs::read_to_string(state.join("agent/selected.json")).unwrap();
    let selected: serde_json::Value = serde_json::from_str(&text).unwrap();
    selected["failed"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn newer_agent_that_never_comes_up_is_given_up_and_the_installed_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    select(dir.path(), "#!/bin/sh\necho newer: $1 $REFIT_AGENT_LAUNCHER >&2\nexit 77\n");
    for _ in 0..3 {
        let output = run(dir.path(), &config);
        assert_eq!(output.status.code(), Some(77));
        assert!(said(&output).contains("newer: run /"), "{}", said(&output));
    }
    let output = run(dir.path(), &config);
    assert!(said(&output).contains("error[agent.not-enrolled]: "), "{}", said(&output));
    assert!(failed(dir.path()).contains("started 3 times"), "{}", failed(dir.path()));
}

#[test]
fn newer_agent_that_does_not_start_is_given_up_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    select(dir.path(), "#!/no/such/interpreter\n");
    let output = run(dir.path(), &config);
    assert!(said(&output).contains("error[agent.not-enrolled]: "), "{}", said(&output));
    assert!(failed(dir.path()).contains("does not start"), "{}", failed(dir.path()));
}
