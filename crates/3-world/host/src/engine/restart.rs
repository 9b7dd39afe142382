//! Restarts of the machine: asked for, awaited, given up.

use super::{
    Engine, EngineError, RunEnd,
    drive::{Chosen, outcome},
};
use crate::error::StepError;
use refit_journal::{Entry, EntryBody, StepResult, Verb};
use refit_names::StepId;
use std::time::Duration;

impl Engine {
    pub(super) fn ask_for_restart(
        &self,
        entries: &mut Vec<Entry>,
        chosen: &Chosen,
    ) -> Result<Option<RunEnd>, EngineError> {
        let Chosen { leg, verb, attempt, .. } = *chosen;
        let id = self.step(chosen).id.clone();
        self.push(entries, EntryBody::Intent { leg, step: id.clone(), verb, attempt })?;
        let boot_id = self.input.machine.boot_id()?;
        self.restart(entries, leg, &id, boot_id)
    }

    fn restart(
        &self,
        entries: &mut Vec<Entry>,
        leg: u32,
        id: &StepId,
        boot_id: String,
    ) -> Result<Option<RunEnd>, EngineError> {
        self.push(entries, EntryBody::RebootRequested { leg, step: id.clone(), boot_id })?;
        match self.input.machine.reboot() {
            Ok(()) => Ok(Some(RunEnd::Rebooting)),
            Err(error) => {
                let result = StepResult::Failed { cause: error.cause() };
                self.push(entries, outcome(leg, id, Verb::Apply, result, Duration::ZERO))?;
                Ok(None)
            }
        }
    }

    pub(super) fn await_boot(
        &self,
        entries: &mut Vec<Entry>,
        leg: u32,
        id: &StepId,
        before: &str,
        waited_ms: u64,
        within_ms: u64,
    ) -> Result<Option<RunEnd>, EngineError> {
        let boot_id = self.input.machine.boot_id()?;
        let result = if boot_id != before {
            let note = format!("boot {boot_id} follows {before} after {waited_ms} ms");
            StepResult::Done { note }
        } else if waited_ms < within_ms {
            return self.restart(entries, leg, id, boot_id);
        } else {
            let error = StepError::NoRestart { boot_id, after_ms: waited_ms, within_ms };
            StepResult::Failed { cause: error.cause() }
        };
        let took = Duration::from_millis(waited_ms);
        self.push(entries, outcome(leg, id, Verb::Apply, result, took))?;
        Ok(None)
    }
}
