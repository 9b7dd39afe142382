//! `test`: a client test, once or for a watch period; those of one name before and after are compared in the evidence.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError};
use refit_inventory::ServiceState;
use refit_names::StepId;
use refit_packs::runbook::Probe;
use std::{
    thread,
    time::{Duration, Instant},
};

/// A failure that lasts a second is one that clients meet.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) struct Test<'a> {
    pub(super) name: &'a StepId,
    pub(super) probe: &'a Probe,
    /// How long it must succeed at every look; zero: once.
    pub(super) watch: Duration,
}

impl Test<'_> {
    /// Time that no clock can move: a watch period ends neither early nor late because somebody sets the time.
    fn watch(&self, context: &Context<'_>) -> Result<String, StepError> {
        let (begun, mut looks) = (Instant::now(), 0_u32);
        let ran = context.service.state()? != ServiceState::Stopped;
        loop {
            let seen = context.probe(self.probe);
            looks += 1;
            let lasted = begun.elapsed();
            let seen = match (seen, context.service.state()?) {
                (_, ServiceState::Stopped) if ran => {
                    let when = format!(" after {} ms", lasted.as_millis());
                    return Err(context.ended_by_itself(&when));
                }
                (Ok(seen), _) => seen,
                (Err(error), _) => {
                    let (after_ms, for_ms) = (lasted.as_millis(), self.watch.as_millis());
                    let source = Box::new(error);
                    return Err(StepError::Watched { looks: looks - 1, after_ms, for_ms, source });
                }
            };
            if lasted >= self.watch {
                let ms = lasted.as_millis();
                return Ok(format!("{seen}; at each of {looks} looks in {ms} ms"));
            }
            thread::sleep(LOOK_EVERY.min(self.watch.saturating_sub(begun.elapsed())));
        }
    }
}

impl Deed for Test<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let seen =
            if self.watch.is_zero() { context.probe(self.probe)? } else { self.watch(context)? };
        Ok(format!("{}: {seen}", self.name))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
