//! The loop of a run: one move of the fold after the other, until there is none.

use super::{
    Engine, EngineError, RunEnd, asking::Waiting, heartbeat::Heartbeat, window::NO_TIME_LEFT,
};
use crate::{
    command::redacted,
    context::Context,
    error::StepError,
    steps::{Precheck, Undo, deed, restart_is_due},
};
use refit_journal::{
    Cause, Entry, EntryBody, Move, OrderOutcome, Position, StepResult, Verb, fold,
};
use refit_names::{BuildId, StepId};
use refit_packs::runbook::{Step, StepKind};
use refit_protocol::{agent::Progress, question::OpenQuestion};
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

/// The wait before a second try; it doubles with each failure.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// A closed service is looked at often enough that nobody waits for us.
const RETRY_LAST: Duration = Duration::from_secs(30);
/// Sealed backups of a product that are kept beside those of the order that runs.
const BACKUPS_KEPT: usize = 3;

/// The deed that the fold chose.
pub(super) struct Chosen {
    pub(super) leg: u32,
    /// Its place among all steps of the leg.
    pub(super) step: usize,
    pub(super) verb: Verb,
    pub(super) attempt: u32,
}

impl Engine {
    pub(super) fn drive(
        &self,
        mut entries: Vec<Entry>,
        tell: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<RunEnd, EngineError> {
        let heartbeat = Heartbeat::new(&*self.input.clock, tell, self.meter.clone());
        heartbeat.during(|| {
            self.end_what_was_left(&entries)?;
            let begun = fold(&self.steps, &entries)?;
            if begun.begun() {
                self.align_service(&entries, begun.leg())?;
            }
            loop {
                let position = fold(&self.steps, &entries)?;
                let next = position.next();
                if let Some(end) = self.perform(next, &position, &mut entries, &heartbeat)? {
                    return Ok(end);
                }
            }
        })
    }

    pub(super) fn push(
        &self,
        entries: &mut Vec<Entry>,
        body: EntryBody,
    ) -> Result<(), EngineError> {
        entries.push(self.write(body)?);
        Ok(())
    }

    fn perform(
        &self,
        next: Move,
        position: &Position,
        entries: &mut Vec<Entry>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<RunEnd>, EngineError> {
        match next {
            Move::Begin => {
                self.remember_service()?;
                self.remember_product()?;
                self.push(entries, EntryBody::DeployStarted {})?;
            }
            Move::Run { leg, verb: Verb::Apply, .. }
                if leg > 0
                    && !leg_begun(entries, leg)
                    && let Err(cause) = self.input.gate.may_begin(&self.input.order, leg) =>
            {
                tracing::warn!(
                    leg,
                    code = cause.code,
                    cause = cause.text,
                    "the leg does not begin"
                );
                self.push(entries, EntryBody::RollbackDecided { leg, cause })?;
            }
            Move::Run { leg, step, verb, attempt, .. } => {
                let chosen = Chosen { leg, step, verb, attempt };
                // What always runs belongs to the way back: it is not asked whether it fits.
                if !position.rolling_back()
                    && let Err(cause) = self.in_time(&chosen, entries)
                {
                    tracing::warn!(leg, code = cause.code, cause = cause.text, "no time is left");
                    self.push(entries, EntryBody::RollbackDecided { leg, cause })?;
                    return Ok(None);
                }
                self.show(&chosen, position, entries, heartbeat, None);
                thread::sleep(self.pause(&chosen, entries));
                if verb == Verb::Apply && self.step(&chosen).kind.question().is_some() {
                    let step = self.step(&chosen).id.clone();
                    self.push(entries, EntryBody::Intent { leg, step, verb, attempt })?;
                    return Ok(None);
                }
                if let StepKind::MachineReboot { policy, .. } = self.step(&chosen).kind
                    && self
                        .in_context(entries, &chosen, |context| restart_is_due(context, policy))?
                {
                    return self.ask_for_restart(entries, &chosen);
                }
                // The cause is in the journal; the fold decides what it means.
                drop(self.carry_out(entries, &chosen)?);
            }
            Move::Interrupted { leg, id, cause } => {
                let result = StepResult::Failed { cause };
                self.push(entries, outcome(leg, &id, Verb::Apply, result, Duration::ZERO))?;
            }
            Move::AwaitBoot { leg, id, boot_id, since, within_ms } => {
                let waited = self.input.clock.now().duration_since(since).as_millis();
                let waited = u64::try_from(waited).unwrap_or(0);
                return self.await_boot(entries, leg, &id, &boot_id, waited, within_ms);
            }
            Move::AwaitAnswer { leg, step, attempt, since, .. } => {
                let waiting = Waiting { leg, step, attempt, since };
                self.await_answer(&waiting, position, entries, heartbeat)?;
            }
            Move::Conclude { leg, id, result, took_ms } => {
                self.conclude(entries, leg, &id, result, took_ms)?;
            }
            Move::RollBack { leg, cause } => {
                tracing::warn!(leg, code = cause.code, cause = cause.text, "taking the leg back");
                self.push(entries, EntryBody::RollbackDecided { leg, cause })?;
            }
            Move::EndLeg { leg, build } => self.push(entries, EntryBody::LegDone { leg, build })?,
            Move::Finish { outcome } => self.finish(entries, outcome)?,
            Move::Rest { outcome } => {
                let evidence = Box::new(self.evidence(entries)?);
                return Ok(Some(RunEnd::Finished { outcome, evidence }));
            }
        }
        Ok(None)
    }

    fn finish(&self, entries: &mut Vec<Entry>, outcome: OrderOutcome) -> Result<(), EngineError> {
        let product = &self.input.product.name;
        if let OrderOutcome::RolledBack { refused, cause, .. } = &outcome
            && cause.code != NO_TIME_LEFT
            && !self.removes(refused)
        {
            let because = cause.to_string();
            self.input.log.quarantine(product, refused, &because)?;
        }
        let key = &self.input.order.key;
        let prefix = format!("{}.{}.leg", key.rollout, key.generation);
        let store = self.input.state.join("backups");
        let own = std::fs::read_dir(store.join(product.as_str())).into_iter().flatten().flatten();
        let needed: BTreeSet<String> = own
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(&prefix))
            .collect();
        // What a kill cut off in the middle of a backup has no use: each try has a name of its own.
        let half = needed.iter().filter(|name| name.ends_with(".partial"));
        for path in half.map(|name| store.join(product.as_str()).join(name)) {
            if let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::warn!(%error, "failed to remove {}", path.display());
            }
        }
        if let Err(error) = refit_backup::prune(&store, product, BACKUPS_KEPT, &needed) {
            // Space is not worth an order's outcome.
            tracing::warn!(error = refit_names::chain(&error), "failed to remove old backups");
        }
        self.push(entries, EntryBody::Finished { outcome })
    }

    /// Whether the leg to `build` leads there by removing the build after it. A quarantine is for a build whose installation failed: when
    /// a removal fails, the older build is not at fault, and the next upgrade or removal may lead to it.
    fn removes(&self, build: &BuildId) -> bool {
        let mut records = self.legs.iter().map(|leg| &leg.record);
        records.any(|record| record.manifest.to == *build && record.runbook.removal().is_some())
    }

    pub(super) fn step(&self, chosen: &Chosen) -> &Step {
        &self.steps[chosen.leg as usize].steps[chosen.step]
    }

    /// A second try at once would see what the first saw.
    fn pause(&self, chosen: &Chosen, entries: &[Entry]) -> Duration {
        let id = &self.step(chosen).id;
        let failed = |entry: &&Entry| {
            matches!(&entry.body, EntryBody::Outcome { leg, step, verb, result: StepResult::Failed { .. }, .. }
                if *leg == chosen.leg && step == id && *verb == chosen.verb)
        };
        match entries.iter().filter(failed).count() {
            0 => Duration::ZERO,
            times => {
                let doubled = u32::try_from(times - 1).ok().and_then(|n| 2_u32.checked_pow(n));
                RETRY_FIRST.saturating_mul(doubled.unwrap_or(u32::MAX)).min(RETRY_LAST)
            }
        }
    }

    pub(super) fn show(
        &self,
        chosen: &Chosen,
        position: &Position,
        entries: &[Entry],
        heartbeat: &Heartbeat<'_>,
        question: Option<OpenQuestion>,
    ) {
        let count = |steps: usize| u32::try_from(steps).unwrap_or(u32::MAX);
        let before: usize =
            self.steps[..chosen.leg as usize].iter().map(|leg| leg.steps.len()).sum();
        let step = self.step(chosen);
        let begun = entries.iter().find(|entry| entry.body == EntryBody::DeployStarted {});
        let begun = begun.map_or_else(|| self.input.clock.now(), |entry| entry.at);
        let progress = Progress {
            leg: chosen.leg,
            legs: count(self.steps.len()),
            rolling_back: position.rolling_back(),
            phase: step.phase,
            step: step.id.clone(),
            step_index: count(before + chosen.step),
            steps: count(self.steps.iter().map(|leg| leg.steps.len()).sum()),
            elapsed_ms: 0,
            expected_ms: self.legs.iter().map(|leg| leg.record.manifest.estimate.p50_ms).sum(),
            bytes_done: 0,
            bytes_total: 0,
            expected_left_ms: None,
            question: question.map(Box::new),
        };
        // Nobody knows how long a way back takes that is at its first step.
        let expected = (!position.rolling_back()).then(|| self.expected(chosen));
        heartbeat.show(progress, begun, expected);
    }

    /// Writes the intent, does the deed, writes the outcome. The answer is the note or the root cause.
    pub(super) fn carry_out(
        &self,
        entries: &mut Vec<Entry>,
        chosen: &Chosen,
    ) -> Result<Result<String, Cause>, EngineError> {
        let Chosen { leg, verb, attempt, .. } = *chosen;
        let id = self.step(chosen).id.clone();
        self.push(entries, EntryBody::Intent { leg, step: id.clone(), verb, attempt })?;
        let begun = Instant::now();
        let result = match self.do_deed(entries, chosen) {
            Ok(result) => self.without_secrets(leg, result),
            // Whoever cannot write down has no outcome to tell: the next run decides.
            Err(StepError::Journal(error)) => return Err(error.into()),
            Err(error) => {
                let cause = with_remedy(self.step(chosen), error.cause());
                self.without_secrets(leg, StepResult::Failed { cause })
            }
        };
        let told = match &result {
            StepResult::Done { note } | StepResult::NotNeeded { note } => Ok(note.clone()),
            StepResult::Failed { cause } => Err(cause.clone()),
        };
        self.push(entries, outcome(leg, &id, verb, result, begun.elapsed()))?;
        Ok(told)
    }

    /// What goes into journal, evidence and reports never holds the value of a secret, whoever said it.
    fn without_secrets(&self, leg: u32, result: StepResult) -> StepResult {
        let clean = |text: &str| redacted(text, &self.legs[leg as usize].secrets);
        match result {
            StepResult::Done { note } => StepResult::Done { note: clean(&note) },
            StepResult::NotNeeded { note } => StepResult::NotNeeded { note: clean(&note) },
            StepResult::Failed { cause } => {
                StepResult::Failed { cause: Cause { text: clean(&cause.text), ..cause } }
            }
        }
    }

    /// Calls `look` with all that a deed of the step gets.
    pub(super) fn in_context<T>(
        &self,
        entries: &[Entry],
        chosen: &Chosen,
        look: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let (step, leg) = (self.step(chosen), &self.legs[chosen.leg as usize]);
        let begun = entries.iter().filter_map(|entry| match &entry.body {
            EntryBody::Intent { leg, step, verb: Verb::Apply, .. } if *leg == chosen.leg => {
                Some(step.clone())
            }
            _ => None,
        });
        let (begun, mark) = (begun.collect(), self.mark());
        let context = Context {
            order: &self.input.order.key,
            leg: chosen.leg,
            from: &leg.from,
            to: &leg.to,
            record: &leg.record,
            step,
            attempt: chosen.attempt,
            begun: &begun,
            product: &self.input.product,
            values: &leg.values,
            secrets: &leg.secrets,
            layout: &self.layout,
            state: &self.input.state,
            mark: &mark,
            service: &*leg.service,
            log: &*self.input.log,
            releases: &*self.input.releases,
            clock: &*self.input.clock,
            machine: &*self.input.machine,
            meter: &self.meter,
            only_measures: false,
            taken_back: entries.iter().any(|entry| {
                matches!(&entry.body, EntryBody::RollbackDecided { leg, .. } if *leg == chosen.leg)
            }),
        };
        look(&context)
    }

    fn do_deed(&self, entries: &[Entry], chosen: &Chosen) -> Result<StepResult, StepError> {
        self.in_context(entries, chosen, |context| do_verb(context, chosen.verb))
    }
}

fn do_verb(context: &Context<'_>, verb: Verb) -> Result<StepResult, StepError> {
    let deed = deed(&context.step.kind);
    Ok(match verb {
        Verb::Apply => match deed.check(context)? {
            Precheck::AlreadyDone(note) => StepResult::NotNeeded { note },
            Precheck::Ready => {
                let note = deed.apply(context)?;
                if let Some(expected) = &context.step.expects
                    && !note.contains(expected)
                {
                    let (expected, found) = (expected.clone(), note);
                    return Err(StepError::Unexpected { expected, found });
                }
                deed.verify(context)?;
                StepResult::Done { note }
            }
        },
        Verb::Undo => match deed.undo(context)? {
            Undo::Done(note) => StepResult::Done { note },
            Undo::Nothing { because } => StepResult::NotNeeded { note: because },
        },
    })
}

/// What the runbook's author says to people stands behind the cause.
fn with_remedy(step: &Step, cause: Cause) -> Cause {
    match &step.remedy {
        Some(remedy) => Cause { text: format!("{}; to do: {remedy}", cause.text), ..cause },
        None => cause,
    }
}

/// Whether a deed of the leg was begun since the order was: what prepare staged does not count.
fn leg_begun(entries: &[Entry], wanted: u32) -> bool {
    let deploying = entries.iter().skip_while(|entry| entry.body != EntryBody::DeployStarted {});
    deploying
        .into_iter()
        .any(|entry| matches!(&entry.body, EntryBody::Intent { leg, .. } if *leg == wanted))
}

pub(super) fn outcome(
    leg: u32,
    id: &StepId,
    verb: Verb,
    result: StepResult,
    took: Duration,
) -> EntryBody {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    EntryBody::Outcome { leg, step: id.clone(), verb, result, took_ms }
}
