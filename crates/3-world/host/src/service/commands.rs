//! A product that the host's own commands start and stop.

use super::{Service, state_name};
use crate::{command::Run, error::StepError};
use refit_inventory::ServiceState;
use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The exit code of a status command for "stopped", as init scripts have it.
const STOPPED: i32 = 3;
/// A status command only looks.
const STATUS_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks: what was seen less than this ago is not asked again, for each look is a program that is started.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Commands {
    name: String,
    start: Run,
    stop: Run,
    status: Run,
    /// What was seen last, and when; nothing from before a change.
    seen: Mutex<Option<(ServiceState, Instant)>>,
}

impl Commands {
    pub(super) fn new(name: String, [start, stop, status]: [Run; 3]) -> Self {
        Self { name, start, stop, status, seen: Mutex::default() }
    }

    fn look(&self) -> Result<ServiceState, StepError> {
        let state = match self.status.end(STATUS_LIMIT)?.code {
            Some(0) => ServiceState::Running,
            Some(STOPPED) => ServiceState::Stopped,
            _ => ServiceState::Unknown,
        };
        self.remember(Some((state, Instant::now())));
        Ok(state)
    }

    fn remember(&self, seen: Option<(ServiceState, Instant)>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Runs what changes the state, and waits until it has.
    fn change(&self, run: &Run, goal: ServiceState, limit: Duration) -> Result<(), StepError> {
        if self.state()? == goal {
            return Ok(());
        }
        self.remember(None);
        run.succeed(limit)?;
        self.reach(goal, limit)
    }

    fn reach(&self, goal: ServiceState, limit: Duration) -> Result<(), StepError> {
        let deadline = Instant::now() + limit;
        loop {
            let state = self.look()?;
            if state == goal {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (service, found) = (self.name.clone(), state_name(state).to_owned());
                return Err(StepError::Service { service, expected: state_name(goal), found });
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Service for Commands {
    fn state(&self) -> Result<ServiceState, StepError> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some((state, at)) if at.elapsed() < LOOK_EVERY => Ok(state),
            _ => self.look(),
        }
    }

    fn start(&self, limit: Duration) -> Result<(), StepError> {
        self.change(&self.start, ServiceState::Running, limit)
    }

    fn stop(&self, limit: Duration) -> Result<(), StepError> {
        self.change(&self.stop, ServiceState::Stopped, limit)
    }

    fn units(&self) -> &[String] {
        &[]
    }
}
