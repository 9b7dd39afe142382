//! Kinds of steps in whole orders: what they measure, what they bring back however the order ends, and what never is shown.

use crate::bench::{Bench, Crash, FailingLog};
use refit_ambient::Ambient;
use refit_host::engine::RunEnd;
use refit_journal::OrderOutcome;
use refit_protocol::agent::{PrepareEvidence, RunEvidence, StepRecord};
use std::{fs, sync::Arc};

/// Everything that this host has, besides what changes a product.
const STEPS: &str = r#"[
 {"id":"room","phase":"stage","do":{"check.disk":{"percent_of_product":100,"extra":"1 KiB","volumes":[{"path":"/","free":1}]}}},
 {"id":"stage","phase":"stage","do":{"install.stage":{}}},
 {"id":"memory","phase":"before","do":{"check.memory":{"total":"1 MiB","available":"1 MiB"}}},
 {"id":"system","phase":"before","do":{"check.os":{"os":["linux"],"kernel":["*"]}}},
 {"id":"new-kernel","phase":"before","severity":"advisory","remedy":"upgrade it next month","do":{"check.os":{"kernel":["99.*"]}}},
 {"id":"ports","phase":"before","do":{"check.ports":{"listening":[{"param":"port"}]}}},
 {"id":"port-taken","phase":"before","severity":"advisory","do":{"check.ports":{"free":[{"param":"port"}]}}},
 {"id":"proof","phase":"before","do":{"backup.require":{"run":["sh","-c","echo '{\"taken_at\":\"'$(date -u +%FT%TZ)'\",\"covers\":[\"main\"]}'"],"covers":["main"]}}},
 {"id":"old-proof","phase":"before","severity":"advisory","do":{"backup.require":{"run":["echo","2020-01-02T03:04:05Z"]}}},
 {"id":"whisper","phase":"before","severity":"advisory","do":{"check.command":{"run":["sh","-c","echo the word is $REFIT_PARAM_WORD; exit 9"]}}},
 {"id":"settings-before","phase":"before","do":{"evidence.config":{"name":"settings","files":["data/settings"],"commands":{"who":["id","-u"]}}}},
 {"id":"errors-before","phase":"before","do":{"evidence.errors":{"name":"errors","system":false,"files":["data/log"]}}},
 {"id":"hold","phase":"protect","do":{"service.hold":{"commands":{"scanner":{"start":["sh","-c","touch $REFIT_ROOT/scanner"],"stop":["sh","-c","rm $REFIT_ROOT/scanner"],"status":["sh","-c","test -e $REFIT_ROOT/scanner || exit 3"]}}}}},
 {"id":"drain","phase":"protect","do":{"cluster.drain":{"drain":["sh","-c","rm $REFIT_ROOT/member"],"resume":["sh","-c","touch $REFIT_ROOT/member"],"drained":{"command":{"run":["sh","-c","test ! -e $REFIT_ROOT/member"]}}}}},
 {"id":"stop","phase":"protect","do":{"service.stop":{}}},
 {"id":"gone","phase":"protect","do":{"check.processes-gone":{"wait_ms":5000}}},
 {"id":"unlocked","phase":"protect","do":{"check.files-unlocked":{"wait_ms":5000}}},
 {"id":"backup","phase":"protect","do":{"backup.take":{}}},
 {"id":"switch","phase":"install","do":{"install.switch":{}}},
 {"id":"migrate","phase":"install","do":{"database.migrate":{"run":["bin/tally","migrate"]}}},
 {"id":"settle","phase":"install","do":{"machine.wait":{"for_ms":20,"until":{"command":{"run":["true"]}}}}},
 {"id":"edit","phase":"install","do":{"script.run":{"run":["sh","-c","echo changed > $REFIT_ROOT/data/settings; echo 'ERROR: no such table' >> $REFIT_ROOT/data/log"]}}},
 {"id":"register","phase":"after","accept":[0,3010],"do":{"script.run":{"run":["sh","-c","exit 194"]}}},
 {"id":"start","phase":"after","timeout_ms":20000,"do":{"service.start":{"ready":{"http":{"port":{"param":"port"},"path":"/","contains":"gate"}}}}},
 {"id":"resume","phase":"after","do":{"cluster.resume":{}}},
 {"id":"FAILS","phase":"after","do":{"check.command":{"run":["true"]}}},
 {"id":"settings-after","phase":"finish","severity":"advisory","do":{"evidence.config":{"name":"settings","files":["data/settings"],"commands":{"who":["id","-u"]},"unchanged":true}}},
 {"id":"errors-after","phase":"finish","severity":"advisory","do":{"evidence.errors":{"name":"errors","system":false,"files":["data/log"]}}},
 {"id":"listing","phase":"finish","always":true,"do":{"evidence.command":{"run":["sh","-c","echo listed with $REFIT_PARAM_WORD"]}}}]"#;

/// One leg to its end.
fn carried_out(bench: &Bench) -> (OrderOutcome, RunEvidence) {
    fs::write(bench.root().join("data/settings"), "as it was\n").unwrap();
    fs::write(bench.root().join("data/log"), "ERROR: an old one\n").unwrap();
    for there in ["scanner", "member"] {
        fs::write(bench.root().join(there), "").unwrap();
    }
    let mut order = bench.order();
    order.legs.truncate(1);
    let engine = bench.engine_of(bench.journal(), order, Ambient::system().clock);
    engine.record_stored().unwrap();
    engine.stage(&|_| ()).unwrap();
    engine.record_prepared(&PrepareEvidence::default()).unwrap();
    let RunEnd::Finished { outcome, evidence } = engine.run(&|_| ()).unwrap() else { panic!() };
    let all = serde_json::to_string(&evidence).unwrap();
    assert!(!all.contains("hunter2"), "{all}");
    (outcome, *evidence)
}

fn last<'a>(evidence: &'a RunEvidence, step: &str) -> &'a StepRecord {
    let of = |record: &&StepRecord| record.step.as_str() == step;
    evidence.steps.iter().rev().find(of).unwrap_or_else(|| panic!("{step}: {:#?}", evidence.steps))
}

#[test]
fn every_finding_has_value_limit_and_remedy_and_advisory_ones_end_nothing() {
    let bench = Bench::new(&STEPS.replace("FAILS", "passes"));
    let (outcome, evidence) = carried_out(&bench);
    assert!(
        matches!(&outcome, OrderOutcome::Succeeded { build } if build.as_str() == "1100"),
        "{outcome:?}"
    );
    let expected = [
        ("room", "done", &["limit: at least ", " = ", "that the step asks for"][..]),
        ("memory", "done", &["limit: at least"]),
        ("new-kernel", "failed", &["limit: 99.*", "remedy: ", "to do: upgrade it next month"]),
        ("ports", "done", &["tally"]),
        ("port-taken", "failed", &["pid ", "tally"]),
        ("proof", "done", &["limit: "]),
        ("old-proof", "failed", &["2020-01-02T03:04:05Z", "remedy: "]),
        ("whisper", "failed", &["the word is", "exit code 0 or 3010"]),
        ("settle", "done", &[]),
        ("register", "done", &["needs a restart"]),
        ("settings-after", "failed", &["data/settings", "unchanged"]),
        ("errors-after", "failed", &["no such table"]),
        ("hold", "undone", &[]),
        ("listing", "done", &[]),
    ];
    for (step, result, parts) in expected {
        let found = last(&evidence, step);
        assert_eq!(found.result, result, "{found:?}");
        for part in parts {
            assert!(found.note.contains(part), "{part}: {found:?}");
        }
    }
    assert!(!last(&evidence, "errors-after").note.contains("an old one"));
    for there in ["scanner", "member"] {
        assert!(bench.root().join(there).exists(), "{there}");
    }
}

#[test]
fn what_was_held_and_drained_is_back_after_a_failure_and_what_always_runs_ran_once() {
    let failing = STEPS.replace(r#"{"id":"FAILS","phase":"after","do":{"check.command":{"run":["true"]}}}"#,
        r#"{"id":"fails","phase":"after","do":{"check.command":{"run":["sh","-c","rm -f $REFIT_ROOT/member; exit 5"]}}}"#);
    let bench = Bench::new(&failing);
    let (outcome, evidence) = carried_out(&bench);
    let OrderOutcome::RolledBack { build, cause, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((build.as_str(), cause.code.as_str()), ("1000", "host.command-failed"));
    assert!(cause.text.contains("exit code 0"), "{cause:?}");
    bench.assert_whole("1000");
    for there in ["scanner", "member"] {
        assert!(bench.root().join(there).exists(), "{there}: {:#?}", evidence.steps);
    }
    let listed = evidence.steps.iter().filter(|record| record.step.as_str() == "listing").count();
    assert_eq!((listed, evidence.steps.last().unwrap().step.as_str()), (1, "listing"));
    assert_eq!(fs::read_to_string(bench.root().join("data/settings")).unwrap(), "as it was\n");
}

/// The least that changes a build, with something held meanwhile.
const HOLDING: &str = r#"[
 {"id":"stage","phase":"stage","do":{"install.stage":{}}},
 {"id":"hold","phase":"protect","do":{"service.hold":{"commands":{"scanner":{"start":["sh","-c","touch $REFIT_ROOT/scanner"],"stop":["sh","-c","rm $REFIT_ROOT/scanner"],"status":["sh","-c","test -e $REFIT_ROOT/scanner || exit 3"]}}}}},
 {"id":"stop","phase":"protect","do":{"service.stop":{}}},
 {"id":"backup","phase":"protect","do":{"backup.take":{}}},
 {"id":"switch","phase":"install","do":{"install.switch":{}}},
 {"id":"migrate","phase":"install","do":{"database.migrate":{"run":["bin/tally","migrate"]}}},
 {"id":"start","phase":"after","timeout_ms":20000,"do":{"service.start":{"ready":{"tcp":{"port":{"param":"port"}}}}}},
 {"id":"seen","phase":"after","do":{"check.command":{"run":["sh","-c","test ! -e $REFIT_ROOT/scanner && VERDICT"]}}}]"#;

/// Kills the agent at every write of its journal; the next one brings back what was held, and only at the end.
fn held_is_back(verdict: &str, expected: &str) {
    for crash in [Crash::Before, Crash::After] {
        for write in 1.. {
            let bench = Bench::new(&HOLDING.replace("VERDICT", verdict));
            let scanner = bench.root().join("scanner");
            fs::write(&scanner, "").unwrap();
            let mut order = bench.order();
            order.legs.truncate(1);
            let clock = || Ambient::system().clock;
            let failing = Arc::new(FailingLog::new(bench.journal(), crash, write));
            let engine = bench.engine_of(failing.clone(), order.clone(), clock());
            let died = engine.stage(&|_| ()).err().or_else(|| engine.run(&|_| ()).err());
            drop(engine);
            if died.is_none() {
                assert!(!failing.died() && write > 10, "write {write}: a crash was swallowed");
                assert!(scanner.exists());
                break;
            }
            drop(failing);
            let engine = bench.engine_of(bench.journal(), order, clock());
            engine.stage(&|_| ()).unwrap();
            let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
            let (OrderOutcome::Succeeded { build } | OrderOutcome::RolledBack { build, .. }) =
                &outcome
            else {
                panic!("write {write} {crash:?}: {outcome:?}")
            };
            // A crash inside a migration takes its leg back.
            let interrupted = matches!(&outcome, OrderOutcome::RolledBack { cause, .. } if cause.code == refit_journal::INTERRUPTED);
            assert!(
                build.as_str() == expected || interrupted,
                "write {write} {crash:?}: {outcome:?}"
            );
            assert!(scanner.exists(), "write {write} {crash:?}: {outcome:?}");
        }
    }
}

#[test]
fn what_was_held_is_back_after_a_success_wherever_the_agent_died() {
    held_is_back("true", "1100");
}

#[test]
fn what_was_held_is_back_after_a_rollback_wherever_the_agent_died() {
    held_is_back("false", "1000");
}
