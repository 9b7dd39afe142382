//! What people answered, between the sync loop that hears it and the engine that waits for it.

use crate::stop::StopLog;
use refit_host::engine::People;
use refit_journal::Answer;
use refit_protocol::question::{GivenAnswer, QuestionKey};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So often a thread that waits looks whether the agent stops.
const LOOK: Duration = Duration::from_millis(200);

/// The newest word of the server: all answers that the journal does not have yet.
#[derive(Default)]
pub(crate) struct AnswerDesk {
    answers: Mutex<Vec<GivenAnswer>>,
    came: Condvar,
}

impl AnswerDesk {
    fn answers(&self) -> MutexGuard<'_, Vec<GivenAnswer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the server says.
    pub(crate) fn hear(&self, answers: Vec<GivenAnswer>) {
        *self.answers() = answers;
        self.came.notify_all();
    }
}

/// The engine's view of it: a thread that waits when the agent stops is held, as before a step.
pub(crate) struct Heard {
    pub(crate) desk: Arc<AnswerDesk>,
    pub(crate) log: Arc<StopLog>,
}

impl People for Heard {
    fn wait(&self, question: &QuestionKey, limit: Duration) -> Option<Answer> {
        let begun = Instant::now();
        let mut answers = self.desk.answers();
        loop {
            if let Some(given) = answers.iter().find(|given| given.to == *question) {
                return Some(given.answer.clone());
            }
            let rest = limit.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                return None;
            }
            let woken = self.desk.came.wait_timeout(answers, rest.min(LOOK));
            drop(woken);
            self.log.hold_if_stopping();
            answers = self.desk.answers();
        }
    }
}
