//! `service.start`: starts the product and waits until it is ready.

use super::{
    Deed, Precheck, Undo,
    units::{Change, ChangeUnits},
    waiting::until,
};
use crate::{context::Context, error::StepError, service::state_name};
use refit_inventory::ServiceState;
use refit_packs::runbook::Probe;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Waiting is part of the downtime, so it looks often at first.
const LOOK_FIRST: Duration = Duration::from_millis(10);
/// A service that takes minutes is not asked a hundred times a second.
const LOOK_LAST: Duration = Duration::from_millis(500);

pub(super) struct ServiceStart<'a> {
    /// Empty means the product's own services.
    pub(super) units: &'a [String],
    pub(super) ready: Option<&'a Probe>,
}

/// Looks until the probe is content; the last thing that was seen is the cause when it never is.
pub(super) fn wait_ready(context: &Context<'_>, probe: &Probe) -> Result<String, StepError> {
    let (begun, mut pause) = (Instant::now(), LOOK_FIRST);
    loop {
        match context.probe(probe) {
            Ok(note) => return Ok(note),
            Err(error) if begun.elapsed() >= context.limit() => return Err(error),
            Err(error) => {
                // A service that is gone will not become ready.
                let state = context.service.state()?;
                if state == ServiceState::Stopped {
                    tracing::warn!(%error, "the service ended while it was waited for");
                    return Err(context.ended_by_itself(""));
                }
            }
        }
        thread::sleep(pause);
        pause = (pause * 5 / 4).min(LOOK_LAST);
    }
}

impl ServiceStart<'_> {
    fn named(&self) -> ChangeUnits<'_> {
        ChangeUnits { units: self.units, change: Change::Start }
    }
}

impl Deed for ServiceStart<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        if self.units.is_empty() {
            return Ok(Precheck::Ready);
        }
        match (self.named().check(context)?, self.ready) {
            // It runs; whether it is ready is still to be seen.
            (Precheck::AlreadyDone(_), Some(_)) => Ok(Precheck::Ready),
            (check, _) => Ok(check),
        }
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let begun = Instant::now();
        let seen = if self.units.is_empty() {
            context.service.start(context.limit())?;
            self.ready.map(|probe| wait_ready(context, probe)).transpose()?
        } else {
            self.named().apply(context)?;
            self.ready.map(|probe| until(context, probe)).transpose()?
        };
        let note = format!("ready after {} ms", begun.elapsed().as_millis());
        Ok(seen.map_or(note.clone(), |seen| format!("{note}: {seen}")))
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        if !self.units.is_empty() {
            return self.named().verify(context);
        }
        let found = context.service.state()?;
        match found {
            ServiceState::Running => return Ok(()),
            ServiceState::Stopped => return Err(context.ended_by_itself("")),
            _ => {}
        }
        let (service, found) = (context.product.name.to_string(), state_name(found).to_owned());
        Err(StepError::Service { service, expected: "running", found })
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        if !self.units.is_empty() {
            return self.named().undo(context);
        }
        context.service.stop(context.limit())?;
        Ok(Undo::Done(format!("build {} stopped", context.to)))
    }
}
