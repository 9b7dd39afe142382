//! Scripts, services, clocks and backups that do what they should not: the host ends on old or new, and the cause is named.

#[expect(dead_code, reason = "this file moves the bench in fewer ways than the other")]
#[path = "engine/bench.rs"]
mod bench;

use bench::{Bench, LEG_STEPS};
use jiff::{SignedDuration, Timestamp};
use refit_ambient::{Boxed, Clock};
use refit_host::engine::{Engine, RunEnd};
use refit_journal::{Cause, OrderOutcome};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

fn run(bench: &Bench) -> OrderOutcome {
    let engine = bench.engine(bench.journal());
    engine.stage(&|_| ()).unwrap();
    finish(&engine)
}

fn finish(engine: &Engine) -> OrderOutcome {
    match engine.run(&|_| ()).unwrap() {
        RunEnd::Finished { outcome, .. } => outcome,
        RunEnd::Rebooting => panic!("nothing restarts here"),
    }
}

fn taken_back(outcome: OrderOutcome, to: &str) -> Cause {
    match outcome {
        OrderOutcome::RolledBack { build, cause, .. } if build.as_str() == to => cause,
        other => panic!("{other:?}"),
    }
}

/// The usual leg with one more step before `id`.
fn with_before(id: &str, step: &str) -> String {
    let place = format!(r#"{{"id":"{id}""#);
    assert!(LEG_STEPS.contains(&place));
    LEG_STEPS.replace(&place, &format!("{step},\n {place}"))
}

fn script(phase: &str, limit_ms: u64, line: &str) -> String {
    let line = serde_json::to_string(line).unwrap();
    format!(
        r#"{{"id":"script","phase":"{phase}","timeout_ms":{limit_ms},"do":{{"script.run":{{"run":["sh","-c",{line}]}}}}}}"#
    )
}

#[test]
fn script_that_does_not_behave_is_named_and_the_leg_taken_back() {
    let behaves = [
        ("sleep 600", "host.command-timed-out", "sleep 600"),
        ("setsid -f setsid -f sleep 601; echo done", "host.left-running", "sleep 601"),
        ("rm -rf \"$REFIT_RELEASE\"; exit 1", "host.command-failed", "rm -rf"),
        ("rm -rf \"$REFIT_RELEASE\"", "host.layout", "releases/1100 is gone after `sh -c rm"),
        ("rm -rf \"$REFIT_ROOT/data\"; exit 1", "host.command-failed", "rm -rf"),
        ("kill -9 $$", "host.command-failed", "signal 9"),
    ];
    for (line, code, word) in behaves {
        let bench = Bench::new(&with_before("migrate", &script("install", 1_000, line)));
        let cause = taken_back(run(&bench), "1000");
        assert_eq!(cause.code, code, "{line}: {cause:?}");
        assert!(cause.text.contains(word), "{line}: {cause:?}");
        bench.assert_whole("1000");
    }
}

/// The leg's last test must succeed for two seconds.
fn watched() -> String {
    let steps = LEG_STEPS.replace(
        r#"{"id":"answer-after","phase":"after","do":{"test":{"name":"answer","#,
        r#"{"id":"answer-after","phase":"after","do":{"test":{"for_ms":2000,"name":"answer","#,
    );
    assert_ne!(steps, LEG_STEPS);
    steps
}

#[test]
fn service_that_fails_only_after_a_while_is_taken_back_within_its_watch_period() {
    for (what, code, word) in [
        ("dies", "host.service", "stopped by itself after"),
        ("sours", "host.probe-failed", "of 2000 ms: GET http"),
    ] {
        let bench = Bench::new(&watched());
        fs::write(bench.root().join(format!("data/{what}-1200")), "900").unwrap();
        let cause = taken_back(run(&bench), "1100");
        assert_eq!(cause.code, code, "{cause:?}");
        assert!(cause.text.contains(word), "{cause:?}");
        bench.assert_whole("1100");
    }
}

#[test]
fn service_that_stays_well_for_its_watch_period_is_let_in() {
    let bench = Bench::new(&watched());
    let outcome = run(&bench);
    assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
    bench.assert_whole("1200");
}

/// A clock that others set.
struct Set(Mutex<Timestamp>);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, duration: Duration) -> Boxed<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[test]
fn clock_that_jumps_back_and_forth_changes_nothing_but_times() {
    for poisoned in [false, true] {
        let bench = Bench::new(&watched());
        if poisoned {
            bench.poison();
        }
        let clock = Arc::new(Set(Mutex::new(Timestamp::now())));
        let journal = bench.journal();
        let engine = bench.engine_of(journal.clone(), bench.order(), clock.clone());
        engine.stage(&|_| ()).unwrap();
        let (seen, years) = (Mutex::<BTreeSet<String>>::default(), 365 * 24);
        let jump = |progress: refit_protocol::agent::Progress| {
            let key = format!("{} {}", progress.leg, progress.step);
            let mut seen = seen.lock().unwrap();
            if seen.insert(key) {
                let way = if seen.len() % 2 == 0 { years } else { -2 * years };
                let mut now = clock.0.lock().unwrap();
                *now += SignedDuration::from_hours(way);
            }
        };
        let RunEnd::Finished { outcome, .. } = engine.run(&jump).unwrap() else { panic!() };
        assert!(seen.lock().unwrap().len() > 20);
        let expected = if poisoned { "1100" } else { "1200" };
        match outcome {
            OrderOutcome::Succeeded { build } | OrderOutcome::RolledBack { build, .. } => {
                assert_eq!(build.as_str(), expected);
            }
            OrderOutcome::NeedsPerson { cause } => panic!("{cause:?}"),
        }
        bench.assert_whole(expected);
        refit_journal::verify_chain(&journal.after(0, 1000).unwrap()).unwrap();
    }
}

fn backups(bench: &Bench) -> PathBuf {
    bench.state().join("backups")
}

/// A check that does something to the backups, and is content.
fn tamper(bench_steps_before: &str, phase: &str, line: &str) -> String {
    let line = serde_json::to_string(line).unwrap();
    let step = format!(
        r#"{{"id":"tamper","phase":"{phase}","do":{{"check.command":{{"run":["sh","-c",{line}]}}}}}}"#
    );
    with_before(bench_steps_before, &step)
}

#[test]
fn folder_of_backups_that_takes_nothing_ends_on_the_old_build() {
    let bench = Bench::new(LEG_STEPS);
    fs::write(backups(&bench), "not a folder").unwrap();
    let cause = taken_back(run(&bench), "1000");
    assert!(cause.text.contains("backups"), "{cause:?}");
    bench.assert_whole("1000");
}

#[test]
fn backup_that_is_damaged_or_gone_before_it_is_needed_ends_on_the_old_build() {
    for (line, word) in [
        (
            r#"for f in $(find "$REFIT_ROOT/../state/backups" -type f -name "*.txt"); do echo damaged > "$f"; done"#,
            "notes.txt",
        ),
        (r#"rm -rf "$REFIT_ROOT/../state/backups""#, "backup"),
    ] {
        let bench = Bench::new(&tamper("backup-verified", "protect", line));
        let cause = taken_back(run(&bench), "1000");
        assert!(cause.text.contains(word), "{cause:?}");
        bench.assert_whole("1000");
    }
}

/// What lies in the product's data, by name and bytes.
fn data(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(root.join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn backup_that_is_gone_when_it_is_needed_calls_a_person_and_nothing_is_thrown_away() {
    for line in [
        r#"rm -rf "$REFIT_ROOT/../state/backups"; exit 1"#,
        r#"for f in $(find "$REFIT_ROOT/../state/backups" -type f -name "*.txt"); do echo damaged > "$f"; done; exit 1"#,
    ] {
        let line = serde_json::to_string(line).unwrap();
        let fails = format!(
            r#"{{"id":"fails","phase":"after","do":{{"check.command":{{"run":["sh","-c",{line}]}}}}}}"#
        );
        let bench = Bench::new(&with_before("answer-after", &fails));
        let before = fs::read(bench.root().join("data/notes.txt")).unwrap();
        let OrderOutcome::NeedsPerson { cause } = run(&bench) else { panic!("went back without") };
        assert!(cause.text.contains("backup"), "{cause:?}");
        let kept = data(&bench.root());
        assert!(kept.iter().any(|(path, _)| path.ends_with("tally.db")), "{kept:?}");
        assert_ne!(fs::read(bench.root().join("data/notes.txt")).unwrap(), before);
    }
}
