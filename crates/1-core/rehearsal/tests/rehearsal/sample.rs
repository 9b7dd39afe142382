//! A plan to rehearse.

use jiff::{SignedDuration, Timestamp};
use refit_names::{
    BuildId, ByteSize, Digest, Generation, Percent, PersonName, TargetName, TimeClass,
};
use refit_plan::{
    Advance, Leg, Opening, PLAN_FORMAT, PackPin, Plan, PlannedHost, PlannedWave, Slot,
};
use refit_rehearsal::{
    Assumptions, Chance, Rehearsal, RehearsalError, RehearsalInput, RehearsalReport,
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const MINUTE_MS: u64 = 60_000;

/// Monday, 09:00 UTC.
pub(crate) const MONDAY: &str = "2026-11-23T09:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn build(name: &str) -> BuildId {
    BuildId::parse(name).unwrap()
}

pub(crate) fn pack() -> PackPin {
    PackPin {
        to: build("1100"),
        record: TargetName::parse("packs/ledger-1100.json").unwrap(),
        digest: Digest::of(b"1100"),
        size: ByteSize(1),
    }
}

/// Ten minutes at the p95, five to come back, risk 40, no slot.
pub(crate) fn host(name: &str) -> PlannedHost {
    PlannedHost {
        host: name.parse().unwrap(),
        site: "home".parse().unwrap(),
        role: "app".parse().unwrap(),
        risk: 40,
        because: "lowest risk first".to_owned(),
        legs: vec![Leg { from: build("1000"), pack: pack(), way: Default::default() }],
        parameters: BTreeMap::new(),
        p50_ms: 0,
        p95_ms: 10 * MINUTE_MS,
        undo_p95_ms: 5 * MINUTE_MS,
        validation_ms: 0,
        estimated_from: String::new(),
        reasons: Vec::new(),
        slot: None,
    }
}

/// Waves of the given sizes, four at a time, ten minutes of soak, three days of patience.
pub(crate) fn plan(sizes: &[usize]) -> Plan {
    let wave = |(number, size): (usize, &usize)| PlannedWave {
        name: format!("wave-{}", number + 1).parse().unwrap(),
        hosts: (0..*size).map(|n| host(&format!("w{}-h{n}", number + 1))).collect(),
        goal: Percent::new(80).unwrap(),
        failure_budget: u32::try_from(size / 5).unwrap(),
        soak_ms: 10 * MINUTE_MS,
        timeout_ms: 3 * 24 * 60 * MINUTE_MS,
        parallel: 4,
        advance: Advance::Automatic,
    };
    Plan {
        format: PLAN_FORMAT.to_owned(),
        rollout: "spring".parse().unwrap(),
        generation: Generation::FIRST,
        parent: None,
        made_at: at(MONDAY),
        author: PersonName::parse("approver-1").unwrap(),
        product: "ledger".parse().unwrap(),
        target: build("1100"),
        packs: vec![pack()],
        waves: sizes.iter().enumerate().map(wave).collect(),
        failure_budget: u32::try_from(sizes.iter().sum::<usize>() / 5).unwrap(),
        excluded: Vec::new(),
        approvals_needed: 2,
        parts: BTreeSet::new(),
        deadline: None,
        emergency: None,
        staging: Vec::new(),
        begun: BTreeSet::new(),
        stated: BTreeSet::new(),
    }
}

/// Puts every host of a wave into one window.
pub(crate) fn open(wave: &mut PlannedWave, opens: &str, minutes: i64, people: &[&str]) {
    for host in &mut wave.hosts {
        host.slot = Some(Slot {
            opening: Opening {
                window: "night".parse().unwrap(),
                opens_at: at(opens),
                closes_at: at(opens) + SignedDuration::from_mins(minutes),
            },
            starts_at: at(opens),
            class: TimeClass::OutOfHours,
            people: people.iter().map(|name| name.parse().unwrap()).collect(),
        });
    }
}

/// Nothing goes wrong by chance.
pub(crate) fn lucky() -> Assumptions {
    let never = Chance::per_million(0);
    Assumptions {
        failure: Some(never),
        undo_failure: never,
        prepare_failure: never,
        unreachable: never,
        ..Assumptions::default()
    }
}

pub(crate) fn rehearse(
    plan: &Plan,
    runs: u32,
    seed: u64,
    assumptions: Assumptions,
) -> Result<RehearsalReport, RehearsalError> {
    let experience = BTreeMap::new();
    let rehearsal = Rehearsal::new(&RehearsalInput { plan, runs, seed, assumptions, experience })?;
    let outcomes: Result<Vec<_>, _> = (0..runs).map(|run| rehearsal.run(run)).collect();
    Ok(rehearsal.summary(&outcomes?))
}
