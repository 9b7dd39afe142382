//! Whole orders on a real folder with a real supervised process and a real database.

#[path = "engine/bench.rs"]
mod bench;
#[path = "engine/kinds.rs"]
mod kinds;

use bench::{Bench, Crash, FailingLog, LEG_STEPS};
use refit_host::{
    engine::{EngineError, Reached, RunEnd},
    journal::{Journal, JournalError, StepLog},
    process::running_from,
};
use refit_journal::{EntryBody, OrderOutcome, verify_chain};
use refit_protocol::agent::{PrepareEvidence, Progress};
use std::{
    fs,
    sync::{Arc, Mutex},
};

fn build(outcome: &OrderOutcome) -> &str {
    match outcome {
        OrderOutcome::Succeeded { build } | OrderOutcome::RolledBack { build, .. } => {
            build.as_str()
        }
        OrderOutcome::NeedsPerson { cause } => panic!("{cause:?}"),
    }
}

#[test]
fn two_legs_run_to_the_end_with_evidence() {
    let bench = Bench::new(LEG_STEPS);
    let journal = bench.journal();
    let engine = bench.engine(journal.clone());
    engine.record_stored().unwrap();
    assert_eq!(engine.reached().unwrap(), Reached::Nothing);
    engine.stage(&|_| ()).unwrap();
    let values = engine.preflight().unwrap();
    assert!(values.iter().all(|value| value.ok), "{values:#?}");
    engine.record_prepared(&PrepareEvidence::default()).unwrap();
    assert_eq!(engine.reached().unwrap(), Reached::Prepared);
    bench.assert_whole("1000");

    let seen: Mutex<Vec<Progress>> = Mutex::default();
    let end = engine.run(&|progress| seen.lock().unwrap().push(progress)).unwrap();
    let RunEnd::Finished { outcome, evidence } = end else { panic!("{end:?}") };
    assert_eq!(build(&outcome), "1200");
    bench.assert_whole("1200");
    assert!(evidence.downtime_ms > 0 && evidence.downtime_ms < 60_000, "{}", evidence.downtime_ms);
    assert_eq!((evidence.build_before.as_str(), evidence.build_after.as_str()), ("1000", "1200"));
    assert_eq!((evidence.backups.len(), evidence.tests.len()), (2, 1));
    let pair = &evidence.tests[0];
    assert!(
        pair.before.as_ref().unwrap().passed
            && pair.after.as_ref().unwrap().note.contains("status 200")
    );
    let seen = seen.into_inner().unwrap();
    assert!(seen.windows(2).all(|two| two[0].step_index <= two[1].step_index));
    assert_eq!(engine.reached().unwrap(), Reached::Finished { outcome, evidence });
    verify_chain(&journal.after(0, 1000).unwrap()).unwrap();
}

#[test]
fn failed_migration_brings_files_and_database_back_together() {
    let bench = Bench::new(LEG_STEPS);
    bench.poison();
    let journal = bench.journal();
    let engine = bench.engine(journal.clone());
    engine.stage(&|_| ()).unwrap();
    let RunEnd::Finished { outcome, evidence } = engine.run(&|_| ()).unwrap() else { panic!() };
    let OrderOutcome::RolledBack { build, refused, cause } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((build.as_str(), refused.as_str()), ("1100", "1200"));
    assert!(cause.text.contains("a value cannot be converted"), "{cause:?}");
    bench.assert_whole("1100");
    assert_eq!(evidence.build_after.as_str(), "1100");
    let quarantined = journal.quarantined(&bench.product().name).unwrap();
    assert!(
        quarantined.values().any(|why| why.contains("a value cannot be converted")),
        "{quarantined:?}"
    );
    // The half-migrated state is kept beside the backup.
    let backups = fs::read_dir(bench.state().join("backups/tally")).unwrap().flatten();
    let kept: Vec<_> = backups
        .map(|entry| entry.path())
        .filter(|path| path.display().to_string().contains("abandoned"))
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read_to_string(kept[0].join("data/data/notes.txt")).unwrap(), "migrating");
    let values = engine.preflight().unwrap();
    assert!(
        values.iter().any(|value| !value.ok && value.what.contains("quarantine")),
        "{values:?}"
    );
}

#[test]
fn second_leg_that_may_not_begin_leaves_the_host_whole_on_the_first() {
    let bench = Bench::new(LEG_STEPS);
    let journal = bench.journal();
    let engine = bench.engine(journal.clone());
    engine.stage(&|_| ()).unwrap();
    bench.gate.close("order.pack-withdrawn");
    let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
    let OrderOutcome::RolledBack { build, refused, cause } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((build.as_str(), refused.as_str()), ("1100", "1200"));
    assert_eq!(cause.code, "order.pack-withdrawn");
    bench.assert_whole("1100");
    assert_eq!(bench.gate.asked(), [1], "the first leg is admitted by whoever starts the engine");
    // No deed of the second leg was begun after the start.
    let entries = journal.after(0, 1000).unwrap();
    let start = entries.iter().position(|entry| entry.body == EntryBody::DeployStarted {}).unwrap();
    let applied = entries[start..].iter().any(|entry| {
        matches!(&entry.body, EntryBody::Intent { leg: 1, verb: refit_journal::Verb::Apply, .. })
    });
    assert!(!applied);
}

#[test]
fn release_that_does_not_start_is_taken_back() {
    let bench = Bench::new(LEG_STEPS);
    bench.break_release("1100");
    let engine = bench.engine(bench.journal());
    engine.stage(&|_| ()).unwrap();
    let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
    assert!(
        matches!(&outcome, OrderOutcome::RolledBack { build, .. } if build.as_str() == "1000"),
        "{outcome:?}"
    );
    bench.assert_whole("1000");
}

#[test]
fn host_at_another_build_is_left_alone() {
    let bench = Bench::new(LEG_STEPS);
    let engine = bench.engine(bench.journal());
    engine.stage(&|_| ()).unwrap();
    bench.pretend_installed("1100");
    let values = engine.preflight().unwrap();
    assert!(values.iter().any(|value| !value.ok && value.what == "installed build"));
    let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
    let OrderOutcome::RolledBack { cause, .. } = outcome else { panic!() };
    assert_eq!(cause.code, "host.wrong-build");
    bench.pretend_installed("1000");
    bench.assert_whole("1000");
}

#[test]
fn failed_stage_is_told_and_goes_on_later() {
    let bench = Bench::new(LEG_STEPS);
    bench.releases.refuse_next("1200");
    let engine = bench.engine(bench.journal());
    let error = engine.stage(&|_| ()).unwrap_err();
    assert!(
        matches!(&error, EngineError::Step { leg: 1, cause, .. } if cause.code == "test.refused"),
        "{error}"
    );
    engine.stage(&|_| ()).unwrap();
    assert!(engine.stage(&|_| ()).unwrap().is_empty());
    bench.assert_whole("1000");
}

#[test]
fn restart_is_asked_for_and_awaited() {
    let steps = r#"[{"id":"stage","phase":"stage","do":{"install.stage":{}}},
        {"id":"proof","phase":"before","do":{"machine.reboot":{"within_ms":600000}}}]"#;
    let bench = Bench::new(steps);
    let engine = bench.engine(bench.journal());
    engine.stage(&|_| ()).unwrap();
    assert_eq!(engine.run(&|_| ()).unwrap(), RunEnd::Rebooting);
    assert_eq!(engine.run(&|_| ()).unwrap(), RunEnd::Rebooting, "the same boot ended the step");
    bench.machine.boot();
    assert_eq!(engine.run(&|_| ()).unwrap(), RunEnd::Rebooting, "the second leg restarts too");
    bench.machine.boot();
    let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
    assert!(matches!(outcome, OrderOutcome::Succeeded { .. }));
    assert_eq!(bench.machine.asked(), 3);
}

#[test]
fn service_that_a_boot_took_down_runs_again_before_the_run_goes_on() {
    let proof = r#"{"id":"proof","phase":"before","do":{"machine.reboot":{"within_ms":600000}}},
        {"id":"close","#;
    let bench = Bench::new(&LEG_STEPS.replace(r#"{"id":"close","#, proof));
    let engine = bench.engine(bench.journal());
    engine.stage(&|_| ()).unwrap();
    for _ in 0..2 {
        assert_eq!(engine.run(&|_| ()).unwrap(), RunEnd::Rebooting);
        bench.stop_service();
        bench.machine.boot();
    }
    let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
    assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
    bench.assert_whole("1200");
}

#[test]
fn restart_that_never_comes_is_a_failure() {
    let steps = r#"[{"id":"stage","phase":"stage","do":{"install.stage":{}}},
        {"id":"proof","phase":"before","do":{"machine.reboot":{"within_ms":0}}}]"#;
    let bench = Bench::new(steps);
    let engine = bench.engine(bench.journal());
    engine.stage(&|_| ()).unwrap();
    assert_eq!(engine.run(&|_| ()).unwrap(), RunEnd::Rebooting);
    let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
    assert!(
        matches!(&outcome, OrderOutcome::RolledBack { cause, .. } if cause.code == "host.no-restart"),
        "{outcome:?}"
    );
}

#[test]
fn migration_left_by_a_dead_agent_is_ended_before_the_restore() {
    let steps = r#"[{"id":"stage","phase":"stage","do":{"install.stage":{}}},
        {"id":"stop","phase":"protect","do":{"service.stop":{}}},
        {"id":"backup","phase":"protect","do":{"backup.take":{}}},
        {"id":"migrate","phase":"install","do":{"database.migrate":{"run":["sh","-c","echo begun > $REFIT_ROOT/begun; sleep 600"]}}},
        {"id":"start","phase":"after","do":{"service.start":{}}}]"#;
    let bench = Bench::new(steps);
    let engine = Arc::new(bench.engine(bench.journal()));
    engine.stage(&|_| ()).unwrap();
    let first = engine.clone();
    // The thread stands for an agent that was killed: it waits for a command that a second agent ends.
    let dead = std::thread::spawn(move || first.run(&|_| ()));
    bench.wait_for("the migration", || bench.root().join("begun").exists());
    let entries = bench.copy_of_journal();
    let second = bench.engine(entries);
    let RunEnd::Finished { outcome, .. } = second.run(&|_| ()).unwrap() else { panic!() };
    assert!(
        matches!(&outcome, OrderOutcome::RolledBack { cause, .. } if cause.code == refit_journal::INTERRUPTED),
        "{outcome:?}"
    );
    drop(dead.join());
    assert!(
        running_from(&bench.root())
            .unwrap()
            .iter()
            .all(|process| !process.command.contains("sleep 600"))
    );
}

#[test]
fn second_agent_is_told_who_holds_the_state() {
    let bench = Bench::new(LEG_STEPS);
    let journal = bench.journal();
    let Err(error) = Journal::open(&bench.state()) else { panic!("two agents") };
    assert!(
        matches!(&error, JournalError::Locked { pid, .. } if *pid == std::process::id().to_string()),
        "{error}"
    );
    drop(journal);
    bench.journal();
}

#[test]
fn altered_journal_is_not_opened() {
    let bench = Bench::new(LEG_STEPS);
    let journal = bench.journal();
    bench.engine(journal.clone()).record_stored().unwrap();
    journal.append(&bench.order().key, EntryBody::Prepared {}, jiff::Timestamp::now()).unwrap();
    drop(journal);
    let database = rusqlite::Connection::open(bench.state().join("journal.db")).unwrap();
    database.execute("DELETE FROM entry WHERE seq = 1", []).unwrap();
    drop(database);
    assert!(matches!(Journal::open(&bench.state()), Err(JournalError::Broken { .. })));
}

/// What dies in the middle of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dies {
    Agent,
    /// With all that runs on it.
    Machine,
}

/// Kills the agent at every write of its journal, before and after, and lets it run again.
fn crash_everywhere(dies: Dies, poisoned: bool, expected: &str) {
    for crash in [Crash::Before, Crash::After] {
        for write in 1.. {
            let bench = Bench::new(LEG_STEPS);
            if poisoned {
                bench.poison();
            }
            let failing = Arc::new(FailingLog::new(bench.journal(), crash, write));
            let engine = bench.engine(failing.clone());
            let died = engine.stage(&|_| ()).err().or_else(|| engine.run(&|_| ()).err());
            drop(engine);
            let Some(died) = died else {
                assert!(!failing.died(), "a crash was swallowed");
                assert!(write > 50, "only {write} writes");
                bench.assert_whole(expected);
                break;
            };
            assert!(failing.died(), "write {write}: {died}");
            drop(failing);
            let engine = bench.engine(bench.journal());
            if dies == Dies::Machine {
                bench.boot(engine.reached().unwrap() == Reached::Begun);
            }
            engine.stage(&|_| ()).unwrap();
            let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
            // A crash inside a migration takes its leg back; everything else reaches what it would have reached.
            let reached = build(&outcome).to_owned();
            assert!(
                reached == expected || is_interrupted(&outcome),
                "write {write} {crash:?}: {outcome:?}"
            );
            bench.assert_whole(&reached);
        }
    }
}

fn is_interrupted(outcome: &OrderOutcome) -> bool {
    matches!(outcome, OrderOutcome::RolledBack { cause, .. } if cause.code == refit_journal::INTERRUPTED)
}

#[test]
fn crash_at_every_write_of_a_success_ends_whole() {
    crash_everywhere(Dies::Agent, false, "1200");
}

#[test]
fn crash_at_every_write_of_a_rollback_ends_whole() {
    crash_everywhere(Dies::Agent, true, "1100");
}

#[test]
fn boot_at_every_write_of_a_rollback_ends_whole() {
    crash_everywhere(Dies::Machine, true, "1100");
}

#[test]
fn preflight_tells_what_packs_ask_for_and_adds_up_what_one_volume_must_hold() {
    let bench = Bench::new(LEG_STEPS);
    let ask = |requirements: serde_json::Value| {
        *bench.requirements.lock().unwrap() = requirements;
        let engine = bench.engine(bench.journal());
        engine.stage(&|_| ()).unwrap();
        let values = engine.preflight().unwrap();
        let bad = values.into_iter().filter(|value| !value.ok);
        bad.map(|v| format!("{}: expected {}, found {}", v.what, v.expected, v.found))
            .collect::<Vec<_>>()
    };
    let can = serde_json::json!({
        "memory": "1 MiB", "os_release": "*", "volumes": [{"path": "data", "steady": "1 MiB", "peak": "2 MiB"}],
    });
    assert_eq!(ask(can), Vec::<String>::new());
    let bad = ask(serde_json::json!({
        "memory": "900 TiB", "os_release": ["Plan 9*"], "products": {"reports": ["7"]},
        "services": ["no-such-thing.service"],
        "volumes": [{"path": "data", "steady": "1 TiB", "peak": "800 TiB"}, {"path": ".", "peak": "1 TiB"}],
    }));
    let all = bad.join("\n");
    assert!(all.contains("memory: expected at least 921600.00 GiB"), "{all}");
    assert!(all.contains("operating system release: expected Plan 9*"), "{all}");
    assert!(all.contains("product reports: expected 7, found none"), "{all}");
    assert!(all.contains("service no-such-thing.service: expected active"), "{all}");
    // Two legs: the second finds the steady part of the first in place.
    assert!(
        all.contains("820224.00 GiB") && all.contains("1024.00 GiB") && all.contains("too little"),
        "{all}"
    );
}
