//! Reads the entries of one order and says where its host stands. The picture:
//!
//! ```text
//! begin → leg 0: step → step → … → [traffic.open] → … → holds released → leg done → leg 1 → … → succeeded
//!                  └ mandatory failure before the intent of traffic.open: undo in reverse → rolled back
//!                                      └ after it: forward only; what fails for good → holds released → needs a person
//!   steps that always run and did not yet: behind the undo, and before a person is called
//! ```

use crate::{Answer, Cause, Entry, EntryBody, OrderOutcome, StepResult, Verb, asked};
use jiff::Timestamp;
use refit_names::{BuildId, StepId};
use refit_packs::runbook::{Phase, Question, Severity, Step, StepKind};
use refit_plan::OrderKey;
use std::collections::BTreeSet;

/// The procedure of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegSteps {
    /// The build before.
    pub from: BuildId,
    /// The build after.
    pub to: BuildId,
    /// All steps of the runbook, in order.
    pub steps: Vec<Step>,
    /// Those that change databases and may be done again all the same: their pack says so of each migration.
    pub repeatable: BTreeSet<StepId>,
}

/// Why entries cannot be those of this order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalBroken {
    /// An entry of another order.
    #[error("journal entry {seq} belongs to another order: {} generation {}", found.rollout, found.generation)]
    OtherOrder {
        /// Which entry.
        seq: u64,
        /// The order that it belongs to.
        found: OrderKey,
    },
    /// An entry that cannot stand where it stands.
    #[error("journal entry {seq} says that {what}, but {because}")]
    IllegalMove {
        /// Which entry.
        seq: u64,
        /// What it says.
        what: String,
        /// What contradicts it.
        because: &'static str,
    },
}

/// What one verb of one step went through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Track {
    pub(crate) attempts: u32,
    /// An intent stands without its outcome.
    pub(crate) open: bool,
    /// Intents that were followed by another intent instead of an outcome.
    pub(crate) interruptions: u32,
    pub(crate) failures: u32,
    pub(crate) done: bool,
    /// The only try found the goal reached: there is nothing to take back. After a cut-off try nobody can say that.
    pub(crate) idle: bool,
    /// Somebody wants it done once more.
    pub(crate) again: bool,
    pub(crate) cause: Option<Cause>,
}

impl Track {
    pub(crate) fn intent(&mut self) {
        if self.open {
            self.interruptions += 1;
        }
        self.attempts += 1;
        self.open = true;
        self.again = false;
    }

    /// Forgets how it ended, not how often it was tried: names of backups and the way back depend on that.
    fn once_more(&mut self) {
        let (attempts, interruptions) = (self.attempts, self.interruptions);
        *self = Self { attempts, interruptions, again: true, ..Self::default() };
    }

    pub(crate) fn outcome(&mut self, result: &StepResult) {
        self.open = false;
        match result {
            StepResult::Done { .. } => self.done = true,
            StepResult::NotNeeded { .. } => {
                self.done = true;
                self.idle = self.attempts == 1;
            }
            StepResult::Failed { cause } => {
                self.failures += 1;
                self.cause = Some(cause.clone());
            }
        }
    }
}

/// What the fold has to know of a step's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Changes nothing that could be taken back.
    Looks,
    /// Can be taken back.
    Undoable,
    /// Taken back at the end of the leg, however it ends.
    Hold,
    /// The point of no return.
    Opens,
    /// Restarts the machine within so many milliseconds.
    Reboots(u64),
    /// Waits for a person.
    Asks,
}

/// One deploy step with what happened to it.
#[derive(Debug, Clone)]
pub(crate) struct StepTrack {
    /// Its place in [`LegSteps::steps`].
    pub(crate) index: usize,
    pub(crate) id: StepId,
    pub(crate) nature: Nature,
    pub(crate) repeatable: bool,
    pub(crate) advisory: bool,
    /// Runs whatever happened, and is never taken back.
    pub(crate) always: bool,
    pub(crate) retries: u32,
    pub(crate) apply: Track,
    pub(crate) undo: Track,
    /// The boot before the first request of this attempt, and when that was.
    pub(crate) reboot: Option<(String, Timestamp)>,
    pub(crate) asked: Option<Asked>,
}

/// A question with what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) question: Question,
    /// The first intent of this asking: its deadline counts from there, whatever happens to the agent.
    pub(crate) since: Option<Timestamp>,
    pub(crate) answer: Option<Answer>,
    pub(crate) repeats: u32,
}

/// One leg with what happened to it.
#[derive(Debug, Clone)]
pub(crate) struct LegTrack {
    pub(crate) from: BuildId,
    pub(crate) to: BuildId,
    pub(crate) steps: Vec<StepTrack>,
    /// The intent of `traffic.open` is written.
    pub(crate) opened: bool,
    pub(crate) rollback: Option<Cause>,
}

/// Where a host stands with an order.
#[derive(Debug, Clone)]
pub struct Position {
    pub(crate) begun: bool,
    pub(crate) leg: usize,
    pub(crate) legs: Vec<LegTrack>,
    pub(crate) finished: Option<OrderOutcome>,
}

fn nature(kind: &StepKind) -> Nature {
    match kind {
        StepKind::TrafficClose { .. }
        | StepKind::ServiceStop { .. }
        | StepKind::ServiceStart { .. }
        | StepKind::ServiceDisable { .. }
        | StepKind::ServiceEnable { .. }
        | StepKind::ServiceRelease {}
        | StepKind::ClusterResume {}
        | StepKind::InstallSwitch {}
        | StepKind::InstallInPlace(_)
        | StepKind::InstallPackages(_)
        | StepKind::InstallRemove(_)
        | StepKind::DatabaseMigrate { .. }
        | StepKind::ScriptRun { .. } => Nature::Undoable,
        StepKind::ServiceHold(_) | StepKind::ClusterDrain(_) => Nature::Hold,
        StepKind::TrafficOpen { .. } => Nature::Opens,
        StepKind::MachineReboot { within_ms, .. } => Nature::Reboots(*within_ms),
        StepKind::PeopleConfirm(_)
        | StepKind::PeopleFillIn(_)
        | StepKind::PeopleUpload(_)
        | StepKind::EvidenceUpload(_)
        | StepKind::PeopleDecide(_) => Nature::Asks,
        StepKind::CheckDisk { .. }
        | StepKind::CheckBuild {}
        | StepKind::CheckMemory(_)
        | StepKind::CheckPrivilege(_)
        | StepKind::CheckOs(_)
        | StepKind::CheckClock(_)
        | StepKind::CheckRebootPending {}
        | StepKind::CheckBackupAge(_)
        | StepKind::CheckPorts(_)
        | StepKind::CheckFilesUnlocked(_)
        | StepKind::CheckProcessesGone(_)
        | StepKind::CheckCommand(_)
        | StepKind::InstallStage {}
        | StepKind::EvidenceLogs(_)
        | StepKind::EvidenceErrors(_)
        | StepKind::EvidenceConfig(_)
        | StepKind::BackupRequire(_)
        | StepKind::MachineWait(_)
        | StepKind::EvidenceCommand { .. }
        | StepKind::BackupTake {}
        | StepKind::BackupAhead {}
        | StepKind::BackupVerify {}
        | StepKind::Test { .. } => Nature::Looks,
    }
}

/// Whether a kind of step may be done again when nobody knows how far it came.
pub(crate) fn repeatable(kind: &StepKind) -> bool {
    !matches!(
        kind,
        StepKind::DatabaseMigrate { .. } | StepKind::ScriptRun { repeatable: false, .. }
    )
}

impl StepTrack {
    fn new(index: usize, step: &Step, said: bool) -> Self {
        // A migration that failed half-way leaves no database that could be gone on with, whatever the runbook calls it.
        let migrates = matches!(step.kind, StepKind::DatabaseMigrate { .. });
        let asked = |question| Asked { question, since: None, answer: None, repeats: 0 };
        Self {
            index,
            id: step.id.clone(),
            nature: nature(&step.kind),
            repeatable: said || repeatable(&step.kind),
            advisory: step.severity == Severity::Advisory && !migrates,
            always: step.always,
            retries: step.retries,
            apply: Track::default(),
            undo: Track::default(),
            reboot: None,
            asked: step.kind.question().map(asked),
        }
    }
}

/// Folds the entries of one order, oldest first, into where its host stands.
///
/// Shape: `legs` in the order of the order, each with its whole runbook; steps of phase `stage` are passed over,
/// [`crate::next_stage`] reads those.
///
/// # Errors
/// [`JournalBroken`] when an entry cannot stand where it stands.
pub fn fold(legs: &[LegSteps], entries: &[Entry]) -> Result<Position, JournalBroken> {
    let track = |leg: &LegSteps| LegTrack {
        from: leg.from.clone(),
        to: leg.to.clone(),
        steps: (leg.steps.iter().enumerate())
            .filter(|(_, step)| step.phase != Phase::Stage)
            .map(|(index, step)| StepTrack::new(index, step, leg.repeatable.contains(&step.id)))
            .collect(),
        opened: false,
        rollback: None,
    };
    let legs_tracked = legs.iter().map(track).collect();
    let mut position = Position { begun: false, leg: 0, legs: legs_tracked, finished: None };
    for entry in entries {
        if entry.order != entries[0].order {
            return Err(JournalBroken::OtherOrder { seq: entry.seq, found: entry.order.clone() });
        }
        if is_stage(legs, &entry.body) {
            continue;
        }
        position.take(entry).map_err(|because| JournalBroken::IllegalMove {
            seq: entry.seq,
            what: describe(&entry.body),
            because,
        })?;
    }
    Ok(position)
}

fn is_stage(legs: &[LegSteps], body: &EntryBody) -> bool {
    let (EntryBody::Intent { leg, step, .. } | EntryBody::Outcome { leg, step, .. }) = body else {
        return false;
    };
    legs.get(*leg as usize)
        .and_then(|leg| leg.steps.iter().find(|known| known.id == *step))
        .is_some_and(|step| step.phase == Phase::Stage)
}

/// Says an entry in words, for messages.
pub(crate) fn describe(body: &EntryBody) -> String {
    match body {
        EntryBody::OrderStored { .. } => "the order was stored".to_owned(),
        EntryBody::Prepared {} => "the host is prepared".to_owned(),
        EntryBody::DeployStarted {} => "the order was begun".to_owned(),
        EntryBody::Intent { leg, step, verb, attempt } => {
            format!("step `{step}` of leg {leg} is about to {} (attempt {attempt})", verb.name())
        }
        EntryBody::Outcome { leg, step, verb, .. } => {
            format!("step `{step}` of leg {leg} ended to {}", verb.name())
        }
        EntryBody::RollbackDecided { leg, .. } => format!("leg {leg} is taken back"),
        EntryBody::RebootRequested { leg, step, .. } => {
            format!("step `{step}` of leg {leg} asked for a restart")
        }
        EntryBody::Answered { leg, step, .. } => {
            format!("the question of step `{step}` of leg {leg} was answered")
        }
        EntryBody::LegDone { leg, .. } => format!("leg {leg} is done"),
        EntryBody::Finished { .. } => "the order is finished".to_owned(),
    }
}

impl Verb {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Undo => "undo",
        }
    }
}

impl Position {
    fn take(&mut self, entry: &Entry) -> Result<(), &'static str> {
        if self.finished.is_some() {
            return Err("the order was finished before");
        }
        match &entry.body {
            EntryBody::OrderStored { .. } | EntryBody::Prepared {} => Ok(()),
            EntryBody::DeployStarted {} if self.begun => Err("it was begun before"),
            EntryBody::DeployStarted {} => {
                self.begun = true;
                Ok(())
            }
            EntryBody::Finished { outcome } => {
                self.finished = Some(outcome.clone());
                Ok(())
            }
            _ if !self.begun => Err("the order was not begun"),
            EntryBody::Intent { leg, step, verb, .. } => {
                self.take_intent(*leg, step, *verb, entry.at)
            }
            EntryBody::Answered { leg, step, answer } => self.take_answer(*leg, step, answer),
            EntryBody::Outcome { leg, step, verb, result, .. } => {
                let track = self.open_track(*leg, step, *verb)?;
                track.outcome(result);
                Ok(())
            }
            EntryBody::RebootRequested { leg, step, boot_id } => {
                self.open_track(*leg, step, Verb::Apply)?;
                let step = self.step(*leg, step)?;
                step.reboot.get_or_insert((boot_id.clone(), entry.at));
                Ok(())
            }
            EntryBody::RollbackDecided { leg, cause } => {
                let track = self.current(*leg)?;
                if track.opened {
                    return Err("clients were let in again before");
                }
                if track.rollback.is_some() {
                    return Err("that was decided before");
                }
                track.rollback = Some(cause.clone());
                Ok(())
            }
            EntryBody::LegDone { leg, build } => {
                let track = self.current(*leg)?;
                if track.to != *build {
                    return Err("the leg leads to another build");
                }
                if track.rollback.is_some() {
                    return Err("it is taken back");
                }
                self.leg += 1;
                Ok(())
            }
        }
    }

    fn take_intent(
        &mut self,
        leg: u32,
        id: &StepId,
        verb: Verb,
        at_time: Timestamp,
    ) -> Result<(), &'static str> {
        let track = self.current(leg)?;
        let at = track.place(id)?;
        let back = track.rollback.is_some();
        match verb {
            Verb::Apply if track.steps[at].always => {}
            Verb::Apply if back => return Err("the leg is taken back"),
            Verb::Apply if track.steps[..at].iter().any(|before| !before.settled()) => {
                return Err("a step before it is not done");
            }
            Verb::Undo if !back && track.steps[at].nature != Nature::Hold => {
                return Err("the leg is not taken back");
            }
            Verb::Undo if track.steps[at].apply.attempts == 0 => {
                return Err("it was never applied");
            }
            Verb::Apply | Verb::Undo => {}
        }
        let step = &mut track.steps[at];
        let deed = step.track(verb);
        if deed.done {
            return Err("it was done before");
        }
        if !deed.open {
            // Another try asks for a restart of its own.
            step.reboot = None;
        }
        if let (Some(asked), Verb::Apply) = (&mut step.asked, verb) {
            asked.since.get_or_insert(at_time);
        }
        step.track(verb).intent();
        track.opened |= verb == Verb::Apply && track.steps[at].nature == Nature::Opens;
        Ok(())
    }

    fn take_answer(&mut self, leg: u32, id: &StepId, answer: &Answer) -> Result<(), &'static str> {
        self.open_track(leg, id, Verb::Apply)?;
        let track = self.current(leg)?;
        let at = track.place(id)?;
        let step = &mut track.steps[at];
        let asked = step.asked.as_mut().ok_or("it asks nobody")?;
        if asked.answer.is_some() {
            return Err("it was answered before");
        }
        if at == 0
            || asked.repeats >= asked::REPEATS_MAX
            || !asked::repeats(&asked.question, answer)
        {
            asked.answer = Some(answer.clone());
            return Ok(());
        }
        asked.repeats += 1;
        asked.since = None;
        step.apply.once_more();
        track.steps[at - 1].apply.once_more();
        if let Some(before) = &mut track.steps[at - 1].asked {
            (before.since, before.answer) = (None, None);
        }
        Ok(())
    }

    fn current(&mut self, leg: u32) -> Result<&mut LegTrack, &'static str> {
        if leg as usize != self.leg {
            return Err("another leg runs");
        }
        self.legs.get_mut(self.leg).ok_or("the order has no such leg")
    }

    fn step(&mut self, leg: u32, id: &StepId) -> Result<&mut StepTrack, &'static str> {
        let track = self.current(leg)?;
        let at = track.place(id)?;
        Ok(&mut track.steps[at])
    }

    fn open_track(
        &mut self,
        leg: u32,
        id: &StepId,
        verb: Verb,
    ) -> Result<&mut Track, &'static str> {
        let track = self.step(leg, id)?.track(verb);
        if track.open { Ok(track) } else { Err("it was not about to") }
    }
}

impl LegTrack {
    fn place(&self, id: &StepId) -> Result<usize, &'static str> {
        self.steps.iter().position(|step| step.id == *id).ok_or("the runbook has no such step")
    }
}

impl StepTrack {
    fn track(&mut self, verb: Verb) -> &mut Track {
        match verb {
            Verb::Apply => &mut self.apply,
            Verb::Undo => &mut self.undo,
        }
    }

    /// Nothing more is to be done forward: it is done, or its failure is only recorded.
    pub(crate) fn settled(&self) -> bool {
        self.apply.done || (self.advisory && !self.apply.open && self.apply.failures > 0)
    }
}
