//! A product that the host's own commands start and stop.

use super::{Service, state_name};
use crate::{command::Run, error::StepError};
use refit_inventory::ServiceState;
use std::{
    thread,
    time::{Duration, Instant},
};

/// The exit code of a status command for "stopped", as init scripts have it.
const STOPPED: i32 = 3;
/// A status command only looks.
const STATUS_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Commands {
    name: String,
    start: Run,
    stop: Run,
    status: Run,
}

impl Commands {
    pub(super) fn new(name: String, [start, stop, status]: [Run; 3]) -> Self {
        Self { name, start, stop, status }
    }

    fn reach(&self, goal: ServiceState, limit: Duration) -> Result<(), StepError> {
        let deadline = Instant::now() + limit;
        loop {
            let state = self.state()?;
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
        Ok(match self.status.end(STATUS_LIMIT)?.code {
            Some(0) => ServiceState::Running,
            Some(STOPPED) => ServiceState::Stopped,
            _ => ServiceState::Unknown,
        })
    }

    fn start(&self, limit: Duration) -> Result<(), StepError> {
        if self.state()? == ServiceState::Running {
            return Ok(());
        }
        self.start.succeed(limit)?;
        self.reach(ServiceState::Running, limit)
    }

    fn stop(&self, limit: Duration) -> Result<(), StepError> {
        if self.state()? == ServiceState::Stopped {
            return Ok(());
        }
        self.stop.succeed(limit)?;
        self.reach(ServiceState::Stopped, limit)
    }

    fn units(&self) -> &[String] {
        &[]
    }
}
