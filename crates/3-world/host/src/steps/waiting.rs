//! Waits until a probe sees, or no longer sees, what it looks for.

use crate::{context::Context, error::StepError};
use refit_packs::runbook::Probe;
use std::{
    thread,
    time::{Duration, Instant},
};

/// It looks often at first and then ever less: what takes minutes is not asked a hundred times a second.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_LAST: Duration = Duration::from_secs(1);

/// The last thing that was seen is the cause when it never comes.
pub(super) fn until(context: &Context<'_>, probe: &Probe) -> Result<String, StepError> {
    let mut last = None;
    let seen = wait(context.limit(), || match context.probe(probe) {
        Ok(note) => Some(note),
        Err(error) => {
            last = Some(error);
            None
        }
    });
    match (seen, last) {
        (Some(note), _) => Ok(note),
        (None, Some(error)) => Err(error),
        (None, None) => context.probe(probe),
    }
}

/// Waits until the probe fails.
pub(super) fn until_not(context: &Context<'_>, probe: &Probe) -> Result<String, StepError> {
    let mut last = String::new();
    let gone = wait(context.limit(), || match context.probe(probe) {
        Ok(note) => {
            last = note;
            None
        }
        Err(error) => Some(error.to_string()),
    });
    gone.ok_or_else(|| StepError::Probe {
        target: "the probe".to_owned(),
        expected: "that it no longer succeeds".to_owned(),
        found: last,
    })
}

fn wait<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (begun, mut pause) = (Instant::now(), LOOK_FIRST);
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if begun.elapsed() >= limit {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 5 / 4).min(LOOK_LAST);
    }
}
