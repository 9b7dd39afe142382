//! One run: hosts and people around the state machine, which is told events and obeyed in its effects as the server does.

use crate::RehearsalError;
use crate::draw::Luck;
use crate::fate::{Fate, PREPARE_TRIES_MAX};
use crate::hours::moment;
use crate::measure::{self, Body, Ended};
use crate::model::{Model, ModelHost, subject};
use crate::outcome::{HaltCause, RunOutcome};
use crate::tape::{Happening, Tape};
use refit_names::HostName;
use refit_plan::Advance;
use refit_rollout::{
    Effect, Event, HostReport, HostState, IllegalMove, Permission, PrepareStage, Rollout,
    RolloutState, WavePhase,
};
use std::collections::BTreeSet;

/// How long an agent takes to hear of a new permission: its sync is held open, so a second is much.
const SYNC_MS: i64 = 1_000;

/// An agent tries to prepare again after so long.
const PREPARE_RETRY_MS: i64 = 5 * 60_000;

/// Moves of one run per host: each host makes fewer than twenty, so a run beyond that goes round in a circle.
const MOVES_PER_HOST_MAX: u64 = 200;

struct World<'a> {
    model: &'a Model,
    run: u32,
    rollout: Rollout,
    tape: Tape,
    fates: Vec<Fate>,
    bodies: Vec<Body>,
    people: Luck,
    now_ms: i64,
    tick_ms: Option<i64>,
    advance_asked: Option<usize>,
    go_asked: bool,
    deployed_ms: Option<i64>,
    /// Someone is about to leave out whoever missed their window.
    clearing: bool,
    over: Option<(i64, Option<(usize, HaltCause)>)>,
    moves: u64,
}

/// Runs the plan once.
pub(crate) fn run(model: &Model, run: u32) -> Result<RunOutcome, RehearsalError> {
    let mut world = World {
        model,
        run,
        rollout: model.planned.clone(),
        tape: Tape::default(),
        fates: model.hosts.iter().map(|host| Fate::of(model, host, run)).collect(),
        bodies: vec![Body::default(); model.hosts.len()],
        people: Luck::of(model.seed, run, subject("people")),
        now_ms: model.begins_ms,
        tick_ms: None,
        advance_asked: None,
        go_asked: false,
        deployed_ms: None,
        clearing: false,
        over: None,
        moves: 0,
    };
    let hosts = u64::try_from(model.hosts.len()).unwrap_or(u64::MAX);
    let moves_max = hosts.saturating_mul(MOVES_PER_HOST_MAX).saturating_add(1_000);
    world.decide(Happening::Agree { approver: 0 });
    while let Some((at_ms, happening)) = world.tape.next() {
        world.now_ms = at_ms;
        world.happen(happening)?;
        if world.moves > moves_max {
            return Err(RehearsalError::Endless { run, moves: world.moves });
        }
    }
    Ok(world.outcome())
}

impl World<'_> {
    fn happen(&mut self, happening: Happening) -> Result<(), RehearsalError> {
        match happening {
            Happening::Agree { approver } => self.agree(approver),
            Happening::Prepare => self.prepare(),
            Happening::PrepareEnds { host, attempt } => self.prepare_ends(host, attempt),
            Happening::Deploy => self.deploy(),
            Happening::Begin { host, call } => self.begin(host, call),
            Happening::End { host } => self.end(host),
            Happening::Look { host, call } => self.look(host, call),
            Happening::Clear => self.clear(),
            Happening::Advance => self.advance(),
            Happening::Tick => {
                self.tick_ms = self.tick_ms.filter(|at| *at > self.now_ms);
                if self.over.is_some() { Ok(()) } else { self.tell(&Event::Tick) }
            }
        }
    }

    /// A person does it after thinking about it in their hours.
    fn decide(&mut self, happening: Happening) {
        let thinks = self.model.decision.draw(&mut self.people);
        self.tape.write(self.model.hours.after(self.now_ms, thinks), happening);
    }

    /// Tells the state machine and obeys its effects.
    fn tell(&mut self, event: &Event) -> Result<(), RehearsalError> {
        self.moves += 1;
        let effects = self.rollout.proceed(event, moment(self.now_ms));
        let effects = effects.map_err(|source| RehearsalError::Refused {
            run: self.run,
            after_ms: self.now_ms - self.model.begins_ms,
            source,
        })?;
        for effect in effects {
            match effect {
                Effect::Permit { host, permission } => {
                    if let Some(place) = self.model.places.get(&host) {
                        self.permit(*place, permission);
                    }
                }
                Effect::TickAt { at } => self.tick_at(at.as_millisecond()),
                Effect::Note { .. } => {}
            }
        }
        self.watch();
        Ok(())
    }

    fn tick_at(&mut self, at_ms: i64) {
        if self.tick_ms != Some(at_ms) {
            self.tick_ms = Some(at_ms);
            self.tape.write(at_ms, Happening::Tick);
        }
    }

    fn permit(&mut self, place: usize, permission: Option<Permission>) {
        let go = permission == Some(Permission::Deploy);
        let body = &mut self.bodies[place];
        if go == body.told || body.begun_ms.is_some() {
            return;
        }
        body.told = go;
        body.call += 1;
        if !go {
            return;
        }
        let call = body.call;
        let hears = self.now_ms + SYNC_MS + self.fates[place].silent_ms;
        let opens = self.model.hosts[place].slot.as_ref().map_or(hears, |slot| slot.opens_ms);
        self.tape.write(hears.max(opens), Happening::Begin { host: place, call });
        if self.fates[place].silent_ms > 0 {
            self.decide(Happening::Look { host: place, call });
        }
    }

    /// What a person does because of where the rollout stands now.
    fn watch(&mut self) {
        match self.rollout.state() {
            RolloutState::Completed if self.over.is_none() => {
                self.over = Some((self.now_ms, None));
            }
            RolloutState::Halted { wave, .. } if self.over.is_none() && !self.clearing => {
                let wave = usize::try_from(*wave).unwrap_or(usize::MAX);
                match self.halt_cause(wave) {
                    Some(cause) => self.over = Some((self.now_ms, Some((wave, cause)))),
                    None => {
                        self.clearing = true;
                        self.decide(Happening::Clear);
                    }
                }
            }
            RolloutState::Deploying { wave } => {
                let wave = usize::try_from(*wave).unwrap_or(usize::MAX);
                let manual = self.model.waves.get(wave).is_some_and(|wave| wave.manual);
                if manual && self.advance_asked != Some(wave) && self.soaked(wave) {
                    self.advance_asked = Some(wave);
                    self.decide(Happening::Advance);
                }
            }
            _ => {}
        }
    }

    /// Whether the wave waits for nothing but a person.
    fn soaked(&self, wave: usize) -> bool {
        let states = self.rollout.wave_states();
        states.get(wave).is_some_and(|status| {
            status.phase == WavePhase::Soaking
                && status.soak_ends.is_none_or(|end| end.as_millisecond() <= self.now_ms)
        })
    }

    /// None: all that is left of the wave missed its window, which people clear up in passing.
    fn halt_cause(&self, wave: usize) -> Option<HaltCause> {
        let failures = self.rollout.failures();
        let over = |count: usize, budget: u32| u32::try_from(count).unwrap_or(u32::MAX) > budget;
        if over(failures.len(), self.rollout.failure_budget()) {
            return Some(HaltCause::RolloutBudget);
        }
        let unfinished = self.left_of(wave).next().is_some();
        let failed_now =
            failures.last().is_some_and(|last| last.at.as_millisecond() == self.now_ms);
        match (failed_now, unfinished) {
            (true, _) if self.over_wave_budget(wave) => Some(HaltCause::WaveBudget),
            (true, _) | (false, false) => Some(HaltCause::Goal),
            (false, true) if self.left_of(wave).all(|of| of.is_too_late(self.now_ms)) => None,
            (false, true) => Some(HaltCause::Timeout),
        }
    }

    /// Hosts of the wave that have not come to an end.
    fn left_of(&self, wave: usize) -> impl Iterator<Item = &ModelHost> {
        let hosts = self.rollout.hosts().iter().zip(&self.model.hosts);
        let left = hosts.filter(move |(host, of)| !host.settled() && of.wave == wave);
        left.map(|(_, of)| of)
    }

    fn over_wave_budget(&self, wave: usize) -> bool {
        let here = self.rollout.failures().iter();
        let count = here.filter(|failure| usize::try_from(failure.wave) == Ok(wave)).count();
        let budget = self.model.waves.get(wave).map_or(0, |wave| wave.failure_budget);
        u32::try_from(count).unwrap_or(u32::MAX) > budget
    }

    fn agree(&mut self, approver: usize) -> Result<(), RehearsalError> {
        let Some(by) = self.model.approvers.get(approver).cloned() else { return Ok(()) };
        let Some(plan) = self.rollout.plan() else { return Ok(()) };
        self.tell(&Event::Agreed { by, plan })?;
        let next = match self.rollout.state() {
            RolloutState::Agreed => Happening::Prepare,
            _ => Happening::Agree { approver: approver + 1 },
        };
        self.decide(next);
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), RehearsalError> {
        self.tell(&Event::PrepareRequested)?;
        for host in 0..self.model.hosts.len() {
            self.prepare_again(host, 0, SYNC_MS);
        }
        Ok(())
    }

    fn prepare_again(&mut self, host: usize, attempt: u32, wait_ms: i64) {
        let at_ms = self.now_ms + wait_ms + self.fates[host].prepare_ms;
        self.tape.write(at_ms, Happening::PrepareEnds { host, attempt });
    }

    fn prepare_ends(&mut self, host: usize, attempt: u32) -> Result<(), RehearsalError> {
        let name = self.model.hosts[host].name.clone();
        let fails = attempt < self.fates[host].prepare_failures;
        let standing = if fails {
            let stage = PrepareStage::ReplicateContent;
            HostReport::PrepareFailed { stage, cause: "drawn by chance".to_owned() }
        } else {
            HostReport::Prepared
        };
        self.tell(&Event::HostReported { host: name, standing })?;
        if fails && attempt + 1 >= PREPARE_TRIES_MAX {
            self.decide(Happening::Look { host, call: 0 });
        } else if fails {
            self.prepare_again(host, attempt + 1, PREPARE_RETRY_MS);
        }
        self.ask_for_go();
        Ok(())
    }

    /// Everything is prepared: someone looks at it and says go, not before the first window opens.
    fn ask_for_go(&mut self) {
        if *self.rollout.state() == RolloutState::Prepared && !self.go_asked {
            self.go_asked = true;
            let thinks = self.model.decision.draw(&mut self.people);
            let ready = self.model.hours.after(self.now_ms, thinks);
            self.tape.write(ready.max(self.model.opens_ms), Happening::Deploy);
        }
    }

    fn deploy(&mut self) -> Result<(), RehearsalError> {
        let Some(plan) = self.rollout.plan() else { return Ok(()) };
        let Some(by) = self.model.approvers.first().cloned() else { return Ok(()) };
        self.tell(&Event::Authorised { by, plan })?;
        self.tell(&Event::Configured { parallel: None, advance: None::<Advance> })?;
        self.deployed_ms = Some(self.now_ms);
        self.tell(&Event::DeployRequested { hosts: BTreeSet::new() })
    }

    fn begin(&mut self, host: usize, call: u32) -> Result<(), RehearsalError> {
        let body = self.bodies[host];
        if body.call != call || !body.told || body.begun_ms.is_some() || body.left_out {
            return Ok(());
        }
        let of = &self.model.hosts[host];
        if of.is_too_late(self.now_ms) {
            // What is left of the window does not hold it: it stays as it is until a person has seen that.
            self.bodies[host].missed = true;
            self.decide(Happening::Look { host, call });
            return Ok(());
        }
        self.bodies[host].begun_ms = Some(self.now_ms);
        let standing = HostReport::Running { phase: "before".to_owned(), step: "order".to_owned() };
        self.tell(&Event::HostReported { host: of.name.clone(), standing })?;
        let fate = &self.fates[host];
        let well = self.now_ms.saturating_add(fate.run_ms);
        // No step starts whose undo would not fit any more.
        let turns = of.slot.as_ref().map(|slot| slot.closes_ms - of.undo_p95_ms);
        let turned_back = turns.is_some_and(|turns| well > turns);
        let fails = match (fate.fails_after_ms, turns) {
            (Some(after), Some(turns)) if turned_back => Some((self.now_ms + after).min(turns)),
            (Some(after), _) => Some(self.now_ms + after),
            (None, turns) if turned_back => turns,
            (None, _) => None,
        };
        let body = &mut self.bodies[host];
        body.ends_well = fails.is_none();
        body.turned_back = turned_back && fails == turns;
        body.stuck = fails.is_some() && fate.stuck;
        let ends = fails.map_or(well, |at| at.saturating_add(fate.undo_ms));
        self.tape.write(ends, Happening::End { host });
        Ok(())
    }

    fn end(&mut self, host: usize) -> Result<(), RehearsalError> {
        let of = &self.model.hosts[host];
        let body = &mut self.bodies[host];
        body.ended_ms = Some(self.now_ms);
        let cause = "drawn by chance".to_owned();
        let standing = match (body.ends_well, body.stuck) {
            (true, _) => HostReport::Succeeded { build: self.model.target.clone() },
            (false, true) => HostReport::NeedsPerson { cause },
            (false, false) => HostReport::RolledBack { build: of.from.clone(), cause },
        };
        self.tell(&Event::HostReported { host: of.name.clone(), standing })
    }

    fn look(&mut self, host: usize, call: u32) -> Result<(), RehearsalError> {
        let body = self.bodies[host];
        if body.call != call || body.begun_ms.is_some() || body.left_out || self.over.is_some() {
            return Ok(());
        }
        let name = self.model.hosts[host].name.clone();
        let state = self.rollout.host(&name).map(|member| &member.state);
        if !matches!(state, Some(HostState::Due | HostState::PrepareFailed { .. })) {
            return Ok(());
        }
        self.bodies[host].left_out = true;
        let because = "a person found it standing still".to_owned();
        self.tell(&Event::HostIgnored { host: name, because })?;
        self.ask_for_go();
        Ok(())
    }

    fn clear(&mut self) -> Result<(), RehearsalError> {
        let RolloutState::Halted { wave, .. } = *self.rollout.state() else { return Ok(()) };
        if self.over.is_some() {
            return Ok(());
        }
        let wave = usize::try_from(wave).unwrap_or(usize::MAX);
        let missed: Vec<HostName> = self.left_of(wave).map(|of| of.name.clone()).collect();
        for name in missed {
            if let Some(place) = self.model.places.get(&name) {
                self.bodies[*place].missed = true;
                self.bodies[*place].left_out = true;
            }
            let because = "a person found its window missed".to_owned();
            self.tell(&Event::HostIgnored { host: name, because })?;
        }
        self.clearing = false;
        self.tell(&Event::Resumed)
    }

    fn advance(&mut self) -> Result<(), RehearsalError> {
        if self.over.is_some() {
            return Ok(());
        }
        match self.rollout.next(&Event::Advanced, moment(self.now_ms)) {
            // Something moved since: whoever asked will be asked again.
            Err(IllegalMove::WaveNotDone { .. } | IllegalMove::State { .. }) => {
                self.advance_asked = None;
                Ok(())
            }
            _ => self.tell(&Event::Advanced),
        }
    }

    fn outcome(&self) -> RunOutcome {
        let ended = Ended { deployed_ms: self.deployed_ms, over: self.over, moves: self.moves };
        measure::outcome(self.model, &self.bodies, &ended)
    }
}
