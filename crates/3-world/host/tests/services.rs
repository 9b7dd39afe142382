//! Back ends of services that need no init system.

use refit_host::{error::StepError, product::ProductConfig, service};
use refit_inventory::ServiceState;
use serde_json::json;
use std::{fs, path::Path, time::Duration};

const LIMIT: Duration = Duration::from_secs(10);

fn product(root: &Path, service: &serde_json::Value) -> ProductConfig {
    fs::create_dir_all(root).unwrap();
    serde_json::from_value(json!({"name": "tally", "root": root, "service": service})).unwrap()
}

fn shell(script: &str) -> serde_json::Value {
    json!(["sh", "-c", script])
}

#[test]
fn commands_of_the_host_start_and_stop_and_twice_is_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("srv");
    let commands = json!({"kind": "commands",
        "start": shell("echo x >> $REFIT_ROOT/starts; touch $REFIT_ROOT/runs"),
        "stop": shell("rm $REFIT_ROOT/runs"),
        "status": shell("test -e $REFIT_ROOT/runs || exit 3")});
    let service = service::open(&product(&root, &commands), folder.path());
    assert_eq!(service.state().unwrap(), ServiceState::Stopped);
    for _ in 0..2 {
        service.start(LIMIT).unwrap();
    }
    assert_eq!(fs::read_to_string(root.join("starts")).unwrap(), "x\n");
    for _ in 0..2 {
        service.stop(LIMIT).unwrap();
    }
    assert_eq!(service.state().unwrap(), ServiceState::Stopped);
}

#[test]
fn status_that_nobody_understands_is_unknown_and_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("srv");
    let commands = json!({"kind": "commands", "start": shell("true"), "stop": shell("true"), "status": shell("exit 7")});
    let service = service::open(&product(&root, &commands), folder.path());
    assert_eq!(service.state().unwrap(), ServiceState::Unknown);
    let error = service.stop(Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, StepError::Service { expected: "stopped", .. }), "{error}");
}

#[test]
fn supervised_process_is_found_again_without_its_number_and_stops_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("srv");
    let supervised = json!({"kind": "supervised", "run": shell("sleep 300 & trap '' TERM; sleep 300; sleep 300")});
    let product = product(&root, &supervised);
    service::open(&product, folder.path()).start(LIMIT).unwrap();
    // As after a crash between the start and the writing down, with another agent.
    fs::remove_file(folder.path().join("services/tally.json")).unwrap();
    let again = service::open(&product, folder.path());
    assert_eq!(again.state().unwrap(), ServiceState::Running);
    again.start(LIMIT).unwrap();
    assert_eq!(refit_host::process::running_from(&root).unwrap().len(), 3);
    again.stop(Duration::from_secs(4)).unwrap();
    assert_eq!(again.state().unwrap(), ServiceState::Stopped);
    assert!(refit_host::process::running_from(&root).unwrap().is_empty());
}

#[test]
fn supervised_program_that_ends_at_once_did_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let supervised = json!({"kind": "supervised", "run": shell("echo no licence; exit 4")});
    let product = product(&folder.path().join("srv"), &supervised);
    let error = service::open(&product, folder.path()).start(LIMIT).unwrap_err();
    assert!(error.to_string().contains("exit status: 4"), "{error}");
    assert!(error.to_string().contains("it said: no licence"), "{error}");
    assert_eq!(
        fs::read_to_string(folder.path().join("services/tally.log")).unwrap(),
        "no licence\n"
    );
}

#[test]
fn supervised_program_that_ends_later_has_last_words_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("srv");
    let script = "echo run $(cat n) >&2; sleep 0.2; test $(cat n) = 1 && echo no such port >&2";
    let product = product(&root, &json!({"kind": "supervised", "run": shell(script)}));
    let service = service::open(&product, folder.path());
    assert_eq!(service.last_words(), None);
    for (number, words) in [("1", "run 1 | no such port"), ("2", "run 2")] {
        fs::write(root.join("n"), number).unwrap();
        service.start(LIMIT).unwrap();
        let begun = std::time::Instant::now();
        while service.state().unwrap() == ServiceState::Running && begun.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(service.last_words().as_deref(), Some(words));
    }
}
