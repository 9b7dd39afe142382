//! Orders keep to their opening, on the host's own clock.

#[expect(dead_code, reason = "this file moves the bench in fewer ways than the other")]
#[path = "engine/bench.rs"]
mod bench;

use bench::{Bench, LEG_STEPS};
use jiff::{SignedDuration, Timestamp};
use refit_ambient::{Boxed, Clock};
use refit_host::engine::{Engine, RunEnd, Start};
use refit_host::journal::StepLog as _;
use refit_journal::{EntryBody, OrderOutcome};
use refit_plan::{Opening, Order, OrderTimes};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Stands still but for what the test moves, so that work of unknown length takes no time.
struct Hand(Mutex<Timestamp>);

impl Hand {
    fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(moment(seconds))))
    }
    fn set(&self, seconds: i64) {
        *self.0.lock().unwrap() = moment(seconds);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, duration: Duration) -> Boxed<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000, 0) + SignedDuration::from_secs(seconds)
}

/// Both legs take 100 s each at most, and 50 s back; the window is open from 0 to `closes`.
fn order(bench: &Bench, closes: i64) -> Order {
    Order {
        opening: Some(Opening {
            window: "night".parse().unwrap(),
            opens_at: moment(0),
            closes_at: moment(closes),
        }),
        times: Some(OrderTimes { p95_ms: 200_000, undo_p95_ms: 50_000 }),
        ..bench.order()
    }
}

/// Runs the order; when the step `at` is told, the clock moves to `then`.
fn run(engine: &Engine, clock: &Arc<Hand>, moves: &[(u32, &str, i64)]) -> OrderOutcome {
    let moved = Mutex::new(std::collections::BTreeSet::new());
    let tell = |progress: refit_protocol::agent::Progress| {
        for (leg, step, then) in moves {
            if progress.leg == *leg
                && progress.step.as_str() == *step
                && moved.lock().unwrap().insert((*leg, (*step).to_owned()))
            {
                clock.set(*then);
            }
        }
    };
    match engine.run(&tell).unwrap() {
        RunEnd::Finished { outcome, .. } => outcome,
        RunEnd::Rebooting => panic!("nothing restarts here"),
    }
}

#[test]
fn order_begins_only_inside_its_opening_and_while_it_fits() {
    let bench = Bench::new(LEG_STEPS);
    let clock = Hand::at(-1);
    let engine = bench.engine_of(bench.journal(), order(&bench, 300), clock.clone());
    assert_eq!(engine.start(), Start::NotBefore(moment(0)));
    clock.set(0);
    assert_eq!(engine.start(), Start::Now);
    clock.set(150);
    assert_eq!(engine.start(), Start::Now, "100 s and 50 s fit exactly");
    clock.set(151);
    let Start::TooLate(late) = engine.start() else { panic!("it would begin") };
    assert_eq!((late.needs_ms, late.undo_ms, late.left_ms), (100_000, 50_000, 149_000));
}

#[test]
fn step_that_would_overrun_is_not_started_and_the_leg_goes_back_whole() {
    let bench = Bench::new(LEG_STEPS);
    let clock = Hand::at(0);
    let journal = bench.journal();
    let engine = bench.engine_of(journal.clone(), order(&bench, 300), clock.clone());
    engine.stage(&|_| ()).unwrap();
    // The backup takes unexpectedly long: what is left then holds no step and its way back.
    let outcome = run(&engine, &clock, &[(0, "backup", 245)]);
    let OrderOutcome::RolledBack { build, cause, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!((build.as_str(), cause.code.as_str()), ("1000", "window.no-time-left"));
    assert!(
        cause.text.contains("step `backup-verified` of leg 0 is not started"),
        "{}",
        cause.text
    );
    bench.assert_whole("1000");
    let migrated = journal.after(0, 1000).unwrap().into_iter().any(
        |entry| matches!(entry.body, EntryBody::Intent { step, .. } if step.as_str() == "migrate"),
    );
    assert!(!migrated, "no later step was begun");
    // The build is not at fault.
    assert!(journal.quarantined(&bench.product().name).unwrap().is_empty());
}

#[test]
fn leg_that_no_longer_fits_leaves_the_host_on_the_leg_before() {
    let bench = Bench::new(LEG_STEPS);
    let clock = Hand::at(0);
    let engine = bench.engine_of(bench.journal(), order(&bench, 300), clock.clone());
    engine.stage(&|_| ()).unwrap();
    let outcome = run(&engine, &clock, &[(0, "open", 160)]);
    let OrderOutcome::RolledBack { build, cause, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!((build.as_str(), cause.code.as_str()), ("1100", "window.no-time-left"));
    bench.assert_whole("1100");
}

#[test]
fn after_clients_were_let_in_a_leg_goes_forward_whatever_the_time() {
    let bench = Bench::new(LEG_STEPS);
    let clock = Hand::at(0);
    let mut order = order(&bench, 300);
    order.legs.truncate(1);
    let engine = bench.engine_of(bench.journal(), order, clock.clone());
    engine.stage(&|_| ()).unwrap();
    let outcome = run(&engine, &clock, &[(0, "open", 1000)]);
    assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
    bench.assert_whole("1100");
}

#[test]
fn failed_step_without_time_for_another_try_keeps_its_root_cause() {
    let steps = LEG_STEPS.replace(
        r#"{"id":"disk","phase":"before","do":{"check.disk":{"percent_of_product":10}}}"#,
        r#"{"id":"disk","phase":"before","retries":3,"do":{"check.command":{"run":["/bin/sh","-c","echo no space >&2; exit 1"]}}}"#,
    );
    let bench = Bench::new(&steps);
    let clock = Hand::at(0);
    let engine = bench.engine_of(bench.journal(), order(&bench, 300), clock.clone());
    engine.stage(&|_| ()).unwrap();
    let outcome = run(&engine, &clock, &[(0, "disk", 290)]);
    let OrderOutcome::RolledBack { cause, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(cause.code, "host.command-failed");
    assert!(
        cause.text.contains("no space") && cause.text.contains("no time is left"),
        "{}",
        cause.text
    );
    bench.assert_whole("1000");
}
