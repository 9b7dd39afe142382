//! Cuts a run off at every entry, in every way a deed can be cut off, and sees that the host ends whole.

use proptest::prelude::*;
use refit_journal::{
    Cause, Entry, EntryBody, LegSteps, Move, OrderOutcome, StepResult, Verb, fold, verify_chain,
};
use refit_names::{BuildId, Generation, RolloutName};
use refit_packs::runbook::Step;
use refit_plan::OrderKey;
use std::fmt::Write as _;

const STEPS: &str = r#"[
 {"id":"stage","phase":"stage","do":{"install.stage":{}}},
 {"id":"build","phase":"before","do":{"check.build":{}}},
 {"id":"hold","phase":"protect","do":{"service.hold":{"units":["scanner.service"]}}},
 {"id":"close","phase":"protect","do":{"traffic.close":{"close":["bin/gate","close"],"open":["bin/gate","open"]}}},
 {"id":"stop","phase":"protect","do":{"service.stop":{}}},
 {"id":"backup","phase":"protect","do":{"backup.take":{}}},
 {"id":"switch","phase":"install","do":{"install.switch":{}}},
 {"id":"migrate","phase":"install","do":{"database.migrate":{"run":["bin/migrate"]}}},
 {"id":"start","phase":"after","do":{"service.start":{}}},
 {"id":"probe","phase":"after","do":{"test":{"name":"probe","probe":{"tcp":{"port":80}}}},"severity":"advisory","retries":1},
 {"id":"open","phase":"after","do":{"traffic.open":{"open":["bin/gate","open"]}}},
 {"id":"logs","phase":"finish","do":{"evidence.logs":{}}}]"#;

fn legs() -> Vec<LegSteps> {
    let steps: Vec<Step> = serde_json::from_str(STEPS).unwrap();
    let build = |text| BuildId::parse(text).unwrap();
    vec![
        LegSteps {
            from: build("1000"),
            to: build("1100"),
            steps: steps.clone(),
            repeatable: [].into(),
        },
        LegSteps { from: build("1100"), to: build("1200"), steps, repeatable: [].into() },
    ]
}

/// A host in five values.
#[derive(Debug, Clone, PartialEq, Eq)]
struct World {
    link: String,
    data: String,
    saved: String,
    running: bool,
    gate: bool,
    held: bool,
}

impl World {
    fn start() -> Self {
        Self {
            link: "1000".into(),
            data: "1000".into(),
            saved: String::new(),
            running: true,
            gate: true,
            held: false,
        }
    }

    /// Does a deed; `half` cuts it off in its middle.
    fn deed(&mut self, leg: &LegSteps, id: &str, verb: Verb, half: bool) {
        let (from, to) = (leg.from.to_string(), leg.to.to_string());
        match (id, verb) {
            ("hold", verb) => self.held = verb == Verb::Apply,
            ("close", Verb::Apply) => self.gate = false,
            ("close", Verb::Undo) | ("open", _) => {
                assert!(self.running, "clients are let in to a stopped service");
                assert_eq!(self.link, self.data, "clients are let in to mixed files and data");
                self.gate = true;
            }
            ("stop", Verb::Apply) | ("start", Verb::Undo) => self.running = false,
            ("stop", Verb::Undo) | ("start", Verb::Apply) => {
                assert_eq!(self.link, self.data, "a release starts on another's data");
                self.running = true;
            }
            ("backup", _) => {
                assert!(!self.running && self.data == from, "saved {self:?}");
                self.saved = self.data.clone();
            }
            ("switch", Verb::Apply) => self.link = to,
            ("switch", Verb::Undo) => self.link = from,
            ("migrate", Verb::Apply) => {
                assert_eq!(self.data, from, "a migration is repeated");
                self.data = if half { "half".into() } else { to };
            }
            ("migrate", Verb::Undo) => {
                self.data = if half { "half".into() } else { self.saved.clone() }
            }
            _ => {}
        }
    }

    fn assert_whole(&self, outcome: &OrderOutcome) {
        let build = match outcome {
            OrderOutcome::Succeeded { build } | OrderOutcome::RolledBack { build, .. } => {
                build.as_str()
            }
            OrderOutcome::NeedsPerson { cause } => {
                // After clients came in, the new build stays, whatever failed.
                assert!(self.gate && self.link == self.data, "{cause:?} {self:?}");
                self.link.as_str()
            }
        };
        let (link, data) = (build.to_owned(), build.to_owned());
        let whole =
            Self { link, data, saved: self.saved.clone(), running: true, gate: true, held: false };
        assert_eq!(*self, whole);
    }
}

/// Which deed fails for good.
#[derive(Debug, Clone, Copy)]
struct Fails {
    leg: u32,
    id: &'static str,
}

struct Run {
    legs: Vec<LegSteps>,
    entries: Vec<Entry>,
    /// The host after each entry was written and before anything else was done.
    worlds: Vec<World>,
    world: World,
}

fn key() -> OrderKey {
    OrderKey { rollout: RolloutName::parse("spring").unwrap(), generation: Generation::FIRST }
}

impl Run {
    fn new() -> Self {
        Self { legs: legs(), entries: vec![], worlds: vec![], world: World::start() }
    }

    fn write(&mut self, body: EntryBody) {
        let last = self.entries.last().map(|entry| (entry.seq, entry.hash));
        let at = jiff::Timestamp::from_millisecond(1_000 * self.entries.len() as i64).unwrap();
        self.entries.push(Entry::new(last, at, key(), body).unwrap());
        self.worlds.push(self.world.clone());
    }

    fn finish(&mut self, fails: Option<Fails>) -> OrderOutcome {
        for _ in 0..400 {
            match fold(&self.legs, &self.entries).unwrap().next() {
                Move::Begin => self.write(EntryBody::DeployStarted {}),
                Move::Run { leg, id, verb, attempt, .. } => {
                    self.write(EntryBody::Intent { leg, step: id.clone(), verb, attempt });
                    let failing = verb == Verb::Apply
                        && fails.is_some_and(|f| f.leg == leg && f.id == id.as_str());
                    let steps = self.legs[leg as usize].clone();
                    self.world.deed(&steps, id.as_str(), verb, failing);
                    let result = if failing {
                        StepResult::Failed {
                            cause: Cause { code: "test.failed".into(), text: "it broke".into() },
                        }
                    } else {
                        StepResult::Done { note: String::new() }
                    };
                    self.write(EntryBody::Outcome { leg, step: id, verb, result, took_ms: 1 });
                }
                Move::Interrupted { leg, id, cause } => {
                    let result = StepResult::Failed { cause };
                    self.write(EntryBody::Outcome {
                        leg,
                        step: id,
                        verb: Verb::Apply,
                        result,
                        took_ms: 0,
                    });
                }
                Move::RollBack { leg, cause } => {
                    self.write(EntryBody::RollbackDecided { leg, cause })
                }
                Move::EndLeg { leg, build } => self.write(EntryBody::LegDone { leg, build }),
                Move::Finish { outcome } => self.write(EntryBody::Finished { outcome }),
                Move::Rest { outcome } => return outcome,
                Move::AwaitBoot { .. } => panic!("no step restarts the machine"),
                Move::AwaitAnswer { .. } | Move::Conclude { .. } => panic!("no step asks anybody"),
            }
        }
        panic!("the run does not end: {:?}", self.entries.last());
    }

    /// The run as it stands after `cut` entries, with the deed of a last intent not done, done half or done.
    fn cut(&self, cut: usize, deed: u8) -> Self {
        let mut run = Self::new();
        run.entries = self.entries[..cut].to_vec();
        run.worlds = self.worlds[..cut].to_vec();
        run.world = run.worlds.last().cloned().unwrap_or_else(World::start);
        if let Some(EntryBody::Intent { leg, step, verb, .. }) =
            run.entries.last().map(|e| e.body.clone())
            && deed > 0
        {
            let steps = run.legs[leg as usize].clone();
            run.world.deed(&steps, step.as_str(), verb, deed == 1);
        }
        run
    }
}

const DEPLOY_STEPS: [&str; 11] = [
    "build", "hold", "close", "stop", "backup", "switch", "migrate", "start", "probe", "open",
    "logs",
];

#[test]
fn run_without_trouble_reaches_the_last_build() {
    let mut run = Run::new();
    let outcome = run.finish(None);
    assert_eq!(outcome, OrderOutcome::Succeeded { build: BuildId::parse("1200").unwrap() });
    run.world.assert_whole(&outcome);
    verify_chain(&run.entries).unwrap();
}

#[test]
fn every_cut_of_every_run_leads_to_a_whole_end() {
    for fails in std::iter::once(None)
        .chain([0, 1].into_iter().flat_map(|leg| DEPLOY_STEPS.map(|id| Some(Fails { leg, id }))))
    {
        let mut run = Run::new();
        let outcome = run.finish(fails);
        run.world.assert_whole(&outcome);
        for cut in 0..=run.entries.len() {
            for deed in 0..3 {
                for later in [None, fails] {
                    let mut again = run.cut(cut, deed);
                    let outcome = again.finish(later);
                    again.world.assert_whole(&outcome);
                    verify_chain(&again.entries).unwrap();
                }
            }
        }
    }
}

#[test]
fn second_leg_that_fails_leaves_the_build_of_the_first() {
    let mut run = Run::new();
    let outcome = run.finish(Some(Fails { leg: 1, id: "migrate" }));
    let OrderOutcome::RolledBack { build, refused, cause } = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (build.as_str(), refused.as_str(), cause.text.as_str()),
        ("1100", "1200", "it broke")
    );
}

#[test]
fn failing_open_goes_forward_until_a_person_is_called() {
    let mut run = Run::new();
    let outcome = run.finish(Some(Fails { leg: 0, id: "open" }));
    assert!(matches!(&outcome, OrderOutcome::NeedsPerson { cause } if cause.code == "test.failed"));
    assert_eq!(run.world.link, "1100");
    assert!(!run.world.held);
}

#[test]
fn altered_or_missing_entry_breaks_the_chain() {
    let mut run = Run::new();
    run.finish(None);
    let mut altered = run.entries.clone();
    if let EntryBody::Outcome { took_ms, .. } = &mut altered[2].body {
        *took_ms = 7;
    }
    assert_eq!(verify_chain(&altered).unwrap_err().to_string().split(' ').nth(2), Some("3"));
    run.entries.remove(4);
    assert!(verify_chain(&run.entries).unwrap_err().to_string().contains("stands where entry 5"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    /// Crash after crash, with another failing step each time.
    #[test]
    fn many_crashes_lead_to_a_whole_end(
        cuts in proptest::collection::vec((0.0_f64..1.0, 0_u8..3, 0_u32..2, 0_usize..12), 1..8)
    ) {
        let mut run = Run::new();
        let fails = |leg, id: usize| DEPLOY_STEPS.get(id).map(|id| Fails { leg, id });
        run.finish(fails(cuts[0].2, cuts[0].3));
        let mut floor = 0;
        for (share, deed, leg, id) in &cuts {
            let cut = floor + ((run.entries.len() - floor) as f64 * share) as usize;
            run = run.cut(cut, *deed);
            floor = cut;
            let outcome = run.finish(fails(*leg, *id));
            run.world.assert_whole(&outcome);
        }
    }
}

/// One line per entry of a run: what was written, and what a host that stops there does next.
fn table(run: &Run) -> String {
    let mut text = String::new();
    for cut in 0..=run.entries.len() {
        let next = fold(&run.legs, &run.entries[..cut]).unwrap().next();
        let written =
            cut.checked_sub(1).map_or("(nothing)".to_owned(), |at| match &run.entries[at].body {
                EntryBody::Intent { leg, step, verb, attempt } => {
                    format!("intent {leg}/{step} {} {attempt}", verb.name())
                }
                EntryBody::Outcome { leg, step, verb, result, .. } => {
                    let failed = matches!(result, StepResult::Failed { .. });
                    format!(
                        "outcome {leg}/{step} {} {}",
                        verb.name(),
                        if failed { "failed" } else { "done" }
                    )
                }
                EntryBody::RollbackDecided { leg, .. } => format!("rollback {leg}"),
                EntryBody::LegDone { leg, build } => format!("leg {leg} done {build}"),
                EntryBody::Finished { .. } => "finished".to_owned(),
                body => format!("{body:?}"),
            });
        let next = match next {
            Move::Run { leg, id, verb, attempt, .. } => {
                format!("run {leg}/{id} {} {attempt}", verb.name())
            }
            Move::Interrupted { leg, id, .. } => format!("write cut-off {leg}/{id}"),
            Move::RollBack { leg, cause } => format!("roll back {leg}: {}", cause.code),
            Move::EndLeg { leg, .. } => format!("end leg {leg}"),
            Move::Finish { outcome } | Move::Rest { outcome } => match outcome {
                OrderOutcome::Succeeded { build } => format!("succeeded {build}"),
                OrderOutcome::RolledBack { build, .. } => format!("rolled back to {build}"),
                OrderOutcome::NeedsPerson { .. } => "needs a person".to_owned(),
            },
            other => format!("{other:?}"),
        };
        writeln!(text, "{written:<32} → {next}").unwrap();
    }
    text
}

#[test]
fn what_a_host_does_after_each_entry_is_kept() {
    let mut good = Run::new();
    good.finish(None);
    let mut back = Run::new();
    back.finish(Some(Fails { leg: 1, id: "start" }));
    let mut forward = Run::new();
    forward.finish(Some(Fails { leg: 0, id: "logs" }));
    let kept = format!(
        "# success\n{}\n# start fails in the second leg\n{}\n# a mandatory step fails after opening\n{}",
        table(&good),
        table(&back),
        table(&forward)
    );
    insta::assert_snapshot!("moves", kept);
}
