//! The plan as the virtual world needs it: read once, shared by all runs.

use crate::draw::LogNormal;
use crate::hours::Hours;
use crate::{
    Assumptions, Chance, Duration95, RUNS_MAX, RehearsalError, RehearsalInput, assumptions,
};
use jiff::Timestamp;
use refit_names::{BuildId, Digest, HostName, PersonName, RolloutName, TimeClass, WaveName};
use refit_plan::{Advance, Plan, PlannedHost};
use refit_rollout::{Event, Rollout};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that runs share.
pub(crate) struct Model {
    pub(crate) plan: Digest,
    pub(crate) name: RolloutName,
    pub(crate) target: BuildId,
    pub(crate) runs: u32,
    pub(crate) seed: u64,
    pub(crate) assumptions: Assumptions,
    pub(crate) hours: Hours,
    pub(crate) prepare: LogNormal,
    pub(crate) outage: LogNormal,
    pub(crate) decision: LogNormal,
    /// With its plan, before anybody agreed.
    pub(crate) planned: Rollout,
    pub(crate) begins_ms: i64,
    /// When the first window opens; the begin of time when nothing has a window.
    pub(crate) opens_ms: i64,
    /// As many as have to agree, and one more who authorises.
    pub(crate) approvers: Vec<PersonName>,
    pub(crate) waves: Vec<ModelWave>,
    pub(crate) hosts: Vec<ModelHost>,
    pub(crate) places: BTreeMap<HostName, usize>,
    pub(crate) people: Vec<PersonName>,
}

/// A wave.
pub(crate) struct ModelWave {
    pub(crate) name: WaveName,
    pub(crate) hosts: usize,
    pub(crate) manual: bool,
    pub(crate) failure_budget: u32,
    /// From the first slot's begin to the last one's end, as planned.
    pub(crate) planned_ms: Option<(i64, i64)>,
}

/// A host.
pub(crate) struct ModelHost {
    pub(crate) name: HostName,
    pub(crate) subject: u64,
    pub(crate) wave: usize,
    pub(crate) from: BuildId,
    pub(crate) failure: Chance,
    pub(crate) run: LogNormal,
    pub(crate) undo: LogNormal,
    /// What must be left of its window when it begins: the change, or the way back from it.
    pub(crate) needs_ms: i64,
    pub(crate) validation_ms: i64,
    pub(crate) undo_p95_ms: i64,
    pub(crate) slot: Option<ModelSlot>,
}

/// When it may be changed and by whom.
pub(crate) struct ModelSlot {
    pub(crate) opens_ms: i64,
    pub(crate) closes_ms: i64,
    pub(crate) class: TimeClass,
    /// Places in `people`.
    pub(crate) people: Vec<usize>,
}

impl ModelHost {
    /// What is left of its window does not hold it any more.
    pub(crate) fn is_too_late(&self, now_ms: i64) -> bool {
        let needs_until = now_ms.saturating_add(self.needs_ms);
        self.slot.as_ref().is_some_and(|slot| needs_until > slot.closes_ms)
    }
}

impl Model {
    pub(crate) fn of(input: &RehearsalInput<'_>) -> Result<Self, RehearsalError> {
        check(input)?;
        let hash = input.plan.hash()?;
        let plan = &what_is_left(input.plan);
        let assumed = &input.assumptions;
        let shape = |span: Duration95| LogNormal::fitted(span.p50_ms, span.p95_ms);
        let named: BTreeSet<&PersonName> = plan
            .hosts()
            .filter_map(|(_, host)| host.slot.as_ref())
            .flat_map(|slot| &slot.people)
            .collect();
        let people: Vec<PersonName> = named.into_iter().cloned().collect();
        let begins_ms = plan.made_at.as_millisecond();
        let made = Event::PlanMade { plan: Box::new(plan.clone()) };
        let refused = |source| RehearsalError::Refused { run: 0, after_ms: 0, source };
        let draft = Rollout::draft(plan.rollout.clone());
        let planned = draft.next(&made, plan.made_at).map_err(refused)?.rollout;
        let hosts: Vec<ModelHost> = plan
            .waves
            .iter()
            .enumerate()
            .flat_map(|(wave, planned)| planned.hosts.iter().map(move |host| (wave, host)))
            .map(|(wave, host)| model_host(input, &people, wave, host))
            .collect();
        let opens = hosts.iter().filter_map(|host| host.slot.as_ref()).map(|slot| slot.opens_ms);
        Ok(Self {
            plan: hash,
            name: plan.rollout.clone(),
            target: plan.target.clone(),
            runs: input.runs,
            seed: input.seed,
            hours: Hours::of(&assumed.hours)?,
            prepare: shape(assumed.prepare),
            outage: shape(assumed.outage),
            decision: shape(assumed.decision),
            assumptions: assumed.clone(),
            planned,
            begins_ms,
            opens_ms: opens.min().unwrap_or(i64::MIN),
            approvers: approvers(plan)?,
            waves: plan.waves.iter().map(model_wave).collect(),
            places: hosts.iter().enumerate().map(|(at, host)| (host.name.clone(), at)).collect(),
            hosts,
            people,
        })
    }
}

fn check(input: &RehearsalInput<'_>) -> Result<(), RehearsalError> {
    if input.plan.hosts().all(|(_, host)| input.plan.begun.contains(&host.host)) {
        return Err(RehearsalError::NoHosts { rollout: input.plan.rollout.to_string() });
    }
    let wrong = |what, expected: String, found: u32| {
        Err(RehearsalError::OutOfRange { what, expected, found: found.to_string() })
    };
    if !(1..=RUNS_MAX).contains(&input.runs) {
        return wrong("number of runs", format!("1 to {RUNS_MAX}"), input.runs);
    }
    let share = input.assumptions.p50_of_p95_percent;
    if !(1..=100).contains(&share) {
        return wrong("median in per cent of the p95", "1 to 100".to_owned(), share);
    }
    Ok(())
}

/// The plan as if it replaced no other: the state machine of a rehearsal has not seen its parent, and what ran under it is done.
fn what_is_left(plan: &Plan) -> Plan {
    let mut left = Plan { parent: None, begun: BTreeSet::new(), ..plan.clone() };
    for wave in &mut left.waves {
        wave.hosts.retain(|host| !plan.begun.contains(&host.host));
    }
    left.waves.retain(|wave| !wave.hosts.is_empty());
    left
}

/// People who may judge: anyone but the author.
fn approvers(plan: &Plan) -> Result<Vec<PersonName>, RehearsalError> {
    // An emergency needs one approval more.
    let wanted = usize::try_from(plan.approvals_needed.saturating_add(1)).unwrap_or(usize::MAX);
    let names = (1u32..).map(|number| PersonName::parse(format!("approver-{number}")));
    let others = names.filter(|name| name.as_ref().is_ok_and(|name| *name != plan.author));
    let wrong = |error| RehearsalError::OutOfRange {
        what: "number of approvals",
        expected: "a number that fits a name".to_owned(),
        found: refit_names::chain(&error),
    };
    others.take(wanted).collect::<Result<_, _>>().map_err(wrong)
}

fn model_wave(wave: &refit_plan::PlannedWave) -> ModelWave {
    let ends = wave.hosts.iter().filter_map(|host| {
        Some((host.slot.as_ref()?.starts_at.as_millisecond(), host.ends_at()?.as_millisecond()))
    });
    let join = |(a, b): (i64, i64), (c, d): (i64, i64)| (a.min(c), b.max(d));
    ModelWave {
        name: wave.name.clone(),
        hosts: wave.hosts.len(),
        failure_budget: wave.failure_budget,
        manual: wave.advance == Advance::Manual,
        planned_ms: ends.reduce(join),
    }
}

fn model_host(
    input: &RehearsalInput<'_>,
    people: &[PersonName],
    wave: usize,
    host: &PlannedHost,
) -> ModelHost {
    let assumed = &input.assumptions;
    let median = |p95: u64| p95.saturating_mul(u64::from(assumed.p50_of_p95_percent)) / 100;
    let shape =
        |p50: u64, p95: u64| LogNormal::fitted(if p50 == 0 { median(p95) } else { p50 }, p95);
    let stays = || refit_names::BuildId::clone(&input.plan.target);
    let at = |moment: Timestamp| moment.as_millisecond();
    let slot = host.slot.as_ref().map(|slot| ModelSlot {
        opens_ms: at(slot.opening.opens_at),
        closes_ms: at(slot.opening.closes_at),
        class: slot.class,
        people: slot.people.iter().filter_map(|person| people.binary_search(person).ok()).collect(),
    });
    let by_risk = || assumptions::failure(host.risk, input.experience.get(&host.role));
    ModelHost {
        name: host.host.clone(),
        subject: subject(host.host.as_str()),
        wave,
        from: host.legs.first().map_or_else(stays, |leg| leg.from.clone()),
        failure: assumed.failure.unwrap_or_else(by_risk),
        run: shape(host.p50_ms, host.p95_ms),
        undo: shape(0, host.undo_p95_ms),
        needs_ms: ms(host.p95_ms).saturating_add(ms(host.undo_p95_ms)),
        validation_ms: ms(host.validation_ms),
        undo_p95_ms: ms(host.undo_p95_ms),
        slot,
    }
}

/// A number that belongs to the name alone (FNV-1a): a host keeps its luck when the plan around it changes.
pub(crate) fn subject(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Milliseconds of the plan as those of the virtual clock.
pub(crate) fn ms(wire: u64) -> i64 {
    // A thousand years: longer than any plan, and far from the end of the clock.
    i64::try_from(wire).unwrap_or(i64::MAX).min(1_000 * 365 * 86_400_000)
}
