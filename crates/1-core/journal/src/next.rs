//! What a host does next: one total function for live runs and for recovery.

use crate::{
    Cause, OrderOutcome, Position, StepResult, Verb, asked,
    fold::{LegTrack, Nature, StepTrack, Track},
};
use jiff::Timestamp;
use refit_names::{BuildId, StepId};

/// The code of the cause that stands for a deed that a crash cut off.
pub const INTERRUPTED: &str = "journal.step-interrupted";

/// A step that takes the agent down with it would otherwise be repeated for ever; five crashes at one step are no accident.
const INTERRUPTIONS_MAX: u32 = 5;
/// Tries of opening before a person is called: with the engine's waits between them, about ten minutes of a closed service.
const OPENINGS_MAX: u32 = 25;
/// Tries of one undo before a person is called: with the engine's waits, some eight seconds for an old service that
/// is slow to listen; not more, for each try of a restore puts aside what it replaces.
const UNDOS_MAX: u32 = 6;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Write that the order is begun.
    Begin,
    /// Write the intent, do the deed, write the outcome.
    Run {
        /// Which leg, from 0.
        leg: u32,
        /// Place of the step among all steps of the leg.
        step: usize,
        /// Its name.
        id: StepId,
        /// The deed.
        verb: Verb,
        /// From 1.
        attempt: u32,
    },
    /// A deed that may not be repeated was cut off: write its failure.
    Interrupted {
        /// Which leg, from 0.
        leg: u32,
        /// Its name.
        id: StepId,
        /// What to write.
        cause: Cause,
    },
    /// A restart was asked for. Another boot: write the outcome. The same: ask again, or write the failure when time is up.
    AwaitBoot {
        /// Which leg, from 0.
        leg: u32,
        /// Its name.
        id: StepId,
        /// The boot before.
        boot_id: String,
        /// When it was first asked for.
        since: Timestamp,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
    /// A person was asked. An answer: write it. None until the deadline: write the question's default, or that there is none.
    AwaitAnswer {
        /// Which leg, from 0.
        leg: u32,
        /// Place of the step among all steps of the leg.
        step: usize,
        /// Its name.
        id: StepId,
        /// Which asking, from 1.
        attempt: u32,
        /// When it was asked first.
        since: Timestamp,
        /// How long it may take, in milliseconds.
        within_ms: u64,
    },
    /// A question was answered: write how the step ended.
    Conclude {
        /// Which leg, from 0.
        leg: u32,
        /// Its name.
        id: StepId,
        /// How it ended.
        result: StepResult,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// Write that the leg is taken back.
    RollBack {
        /// Which leg, from 0.
        leg: u32,
        /// The root cause.
        cause: Cause,
    },
    /// Write that the leg is done.
    EndLeg {
        /// Which leg, from 0.
        leg: u32,
        /// The build that runs now.
        build: BuildId,
    },
    /// Write how the order ended.
    Finish {
        /// How.
        outcome: OrderOutcome,
    },
    /// Nothing: the order is finished.
    Rest {
        /// How.
        outcome: OrderOutcome,
    },
}

impl Position {
    /// What the host does next; live and after a crash alike.
    #[must_use]
    pub fn next(&self) -> Move {
        if let Some(outcome) = &self.finished {
            return Move::Rest { outcome: outcome.clone() };
        }
        if !self.begun {
            return Move::Begin;
        }
        let Some(leg) = self.legs.get(self.leg) else {
            // An order without legs never reaches a host; its build is then nobody's.
            return Move::Finish { outcome: self.succeeded() };
        };
        let at = u32::try_from(self.leg).unwrap_or(u32::MAX);
        match &leg.rollback {
            Some(cause) => leg.next_back(at, cause),
            None => leg.next_forward(at),
        }
    }

    /// The leg that runs, from 0; the number of legs when all are done.
    #[must_use]
    pub const fn leg(&self) -> usize {
        self.leg
    }

    /// Whether the order was begun.
    #[must_use]
    pub const fn begun(&self) -> bool {
        self.begun
    }

    /// How the order ended, if it did.
    #[must_use]
    pub const fn finished(&self) -> Option<&OrderOutcome> {
        self.finished.as_ref()
    }

    /// Whether the leg that runs is taken back.
    #[must_use]
    pub fn rolling_back(&self) -> bool {
        self.legs.get(self.leg).is_some_and(|leg| leg.rollback.is_some())
    }

    fn succeeded(&self) -> OrderOutcome {
        match self.legs.last() {
            Some(last) => OrderOutcome::Succeeded { build: last.to.clone() },
            None => OrderOutcome::NeedsPerson {
                cause: Cause {
                    code: "host.order-mismatch".to_owned(),
                    text: "the order has no legs".to_owned(),
                },
            },
        }
    }
}

impl LegTrack {
    fn next_forward(&self, leg: u32) -> Move {
        for step in &self.steps {
            if let Some(next) = self.forward_step(leg, step) {
                return next;
            }
        }
        if let Some(next) = self.release_holds(leg) {
            return next;
        }
        match self.failed_hold() {
            Some(cause) => needs_person(cause.clone()),
            None => Move::EndLeg { leg, build: self.to.clone() },
        }
    }

    fn forward_step(&self, leg: u32, step: &StepTrack) -> Option<Move> {
        let apply = &step.apply;
        if apply.done {
            return None;
        }
        if apply.attempts == 0 || apply.again {
            return Some(step.run(leg, Verb::Apply));
        }
        if let (true, Some(waits)) = (apply.open, step.waits(leg)) {
            return Some(waits);
        }
        if apply.open {
            return Some(self.after_crash(leg, step));
        }
        let opens = step.nature == Nature::Opens;
        let cause = apply.cause.as_ref()?;
        let interrupted = cause.code == INTERRUPTED;
        let again = if step.nature == Nature::Asks {
            // A person who said no is not asked until a yes comes.
            false
        } else if opens {
            apply.failures < OPENINGS_MAX
        } else {
            apply.failures <= step.retries && step.repeatable && !interrupted
        };
        if again {
            return Some(step.run(leg, Verb::Apply));
        }
        // Nobody knows what a cut-off step left behind: while there is a way back, it is taken.
        let unknown = interrupted && !self.opened;
        if step.advisory && !opens && !unknown {
            return None;
        }
        if !self.opened {
            return Some(Move::RollBack { leg, cause: cause.clone() });
        }
        Some(self.before_the_end(leg).unwrap_or_else(|| needs_person(cause.clone())))
    }

    /// What must still be done when a leg ends otherwise than well: holds are released, then what always runs.
    fn before_the_end(&self, leg: u32) -> Option<Move> {
        self.release_holds(leg).or_else(|| self.what_always_runs(leg))
    }

    /// Of a leg that was never begun nothing runs. A failure is written down and hides nothing.
    fn what_always_runs(&self, leg: u32) -> Option<Move> {
        if self.steps.iter().all(|step| step.apply.attempts == 0) {
            return None;
        }
        self.steps.iter().filter(|step| step.always).find_map(|step| {
            let apply = &step.apply;
            if apply.done {
                return None;
            }
            if apply.open {
                return Some(self.after_crash(leg, step));
            }
            let interrupted = apply.cause.as_ref().is_some_and(|cause| cause.code == INTERRUPTED);
            let again = apply.failures <= step.retries && step.repeatable && !interrupted;
            (apply.attempts == 0 || again).then(|| step.run(leg, Verb::Apply))
        })
    }

    /// The intent stands and nobody wrote how it ended.
    fn after_crash(&self, leg: u32, step: &StepTrack) -> Move {
        if let (Nature::Reboots(within_ms), Some((boot_id, since))) = (step.nature, &step.reboot) {
            let (id, boot_id, since) = (step.id.clone(), boot_id.clone(), *since);
            return Move::AwaitBoot { leg, id, boot_id, since, within_ms };
        }
        if step.nature == Nature::Opens {
            return step.run(leg, Verb::Apply);
        }
        if step.repeatable && step.apply.interruptions < INTERRUPTIONS_MAX {
            return step.run(leg, Verb::Apply);
        }
        let text = if step.repeatable {
            let times = step.apply.interruptions + 1;
            format!(
                "step `{}` was cut off {times} times, at most {INTERRUPTIONS_MAX} are taken for accidents",
                step.id
            )
        } else {
            format!("step `{}` was cut off and may not be repeated", step.id)
        };
        let cause = Cause { code: INTERRUPTED.to_owned(), text };
        Move::Interrupted { leg, id: step.id.clone(), cause }
    }

    fn next_back(&self, leg: u32, cause: &Cause) -> Move {
        let undoable = |step: &&StepTrack| match step.nature {
            _ if step.always => false,
            Nature::Undoable => step.apply.attempts > 0 && !step.apply.idle,
            Nature::Hold => step.apply.attempts > 0,
            _ => false,
        };
        for step in self.steps.iter().rev().filter(undoable) {
            if step.undo.done {
                continue;
            }
            if !step.undo.given_up() {
                return step.run(leg, Verb::Undo);
            }
            if step.nature == Nature::Hold {
                // The product itself comes back first; a hold that stays is told at the end.
                continue;
            }
            // Undoing what lies before would start the old release on what the new one left: stop here.
            return self
                .before_the_end(leg)
                .unwrap_or_else(|| stuck(cause, step.undo.cause.as_ref()));
        }
        if let Some(next) = self.what_always_runs(leg) {
            return next;
        }
        match self.failed_hold() {
            Some(hold) => stuck(cause, Some(hold)),
            None => Move::Finish {
                outcome: OrderOutcome::RolledBack {
                    build: self.from.clone(),
                    refused: self.to.clone(),
                    cause: cause.clone(),
                },
            },
        }
    }

    fn holds(&self) -> impl Iterator<Item = &StepTrack> {
        let held = |step: &&StepTrack| step.nature == Nature::Hold && step.apply.attempts > 0;
        self.steps.iter().rev().filter(held)
    }

    fn release_holds(&self, leg: u32) -> Option<Move> {
        let open = self.holds().find(|hold| !hold.undo.done && !hold.undo.given_up())?;
        Some(open.run(leg, Verb::Undo))
    }

    fn failed_hold(&self) -> Option<&Cause> {
        self.holds().find(|hold| !hold.undo.done)?.undo.cause.as_ref()
    }
}

impl StepTrack {
    /// What an open question waits for.
    fn waits(&self, leg: u32) -> Option<Move> {
        let asked = self.asked.as_ref()?;
        let (id, since) = (self.id.clone(), asked.since?);
        Some(match &asked.answer {
            Some(answer) => {
                let took = answer.at.duration_since(since).as_millis();
                let took_ms = u64::try_from(took).unwrap_or(0);
                let result = asked::concluded(&asked.question, answer);
                Move::Conclude { leg, id, result, took_ms }
            }
            None => Move::AwaitAnswer {
                leg,
                step: self.index,
                id,
                attempt: self.apply.attempts,
                since,
                within_ms: asked.question.within_ms(),
            },
        })
    }

    fn run(&self, leg: u32, verb: Verb) -> Move {
        let track = match verb {
            Verb::Apply => &self.apply,
            Verb::Undo => &self.undo,
        };
        let (id, attempt) = (self.id.clone(), track.attempts + 1);
        Move::Run { leg, step: self.index, id, verb, attempt }
    }
}

impl Track {
    const fn given_up(&self) -> bool {
        !self.open && self.failures >= UNDOS_MAX
    }
}

fn needs_person(cause: Cause) -> Move {
    Move::Finish { outcome: OrderOutcome::NeedsPerson { cause } }
}

fn stuck(why_back: &Cause, undo: Option<&Cause>) -> Move {
    let Some(undo) = undo else { return needs_person(why_back.clone()) };
    let text = format!(
        "failed to take the leg back: {}; it was taken back because of {why_back}",
        undo.text
    );
    needs_person(Cause { code: undo.code.clone(), text })
}
