//! A boot or a kill in the middle of a run may have changed what runs: before going on, the product's service is
//! brought to what the journal says of it. Where a deed was cut off, the fold repeats it and nothing is done here.

use super::{Engine, EngineError};
use crate::{context::step_key, service::state_name, steps::FORMER};
use refit_inventory::ServiceState;
use refit_journal::{Entry, EntryBody, StepResult, Verb};
use refit_names::StepId;
use refit_packs::runbook::StepKind;
use std::time::Duration;

/// Where the state at the beginning of the order is kept.
const AT_BEGIN: &str = "service-at-begin";
/// As long as a step of an ordinary runbook has.
const ALIGN_LIMIT: Duration = Duration::from_secs(120);

impl Engine {
    /// Keeps what the service was before the order touched anything.
    pub(super) fn remember_service(&self) -> Result<(), EngineError> {
        let state = self.legs[0].service.state()?;
        self.input.log.remember(&self.input.order.key, AT_BEGIN, state_name(state))?;
        Ok(())
    }

    /// What the service ought to be after these entries; none when a deed on it was cut off or failed.
    fn expected_service(&self, entries: &[Entry]) -> Result<Option<ServiceState>, EngineError> {
        let at_begin = self.input.log.recall(&self.input.order.key, AT_BEGIN)?;
        let known = [ServiceState::Running, ServiceState::Stopped];
        let at_begin =
            known.into_iter().find(|state| at_begin.as_deref() == Some(state_name(*state)));
        let mut expected = at_begin;
        for entry in entries {
            let (EntryBody::Intent { leg, step, verb, .. }
            | EntryBody::Outcome { leg, step, verb, .. }) = &entry.body
            else {
                continue;
            };
            let steps = self.steps.get(*leg as usize).into_iter().flat_map(|leg| &leg.steps);
            let Some(kind) = steps.into_iter().find(|s| s.id == *step).map(|s| &s.kind) else {
                continue;
            };
            // It looks before it stops: what it did not keep was not begun, and a power cut may have ended the service since.
            if matches!((kind, verb), (StepKind::ServiceStop { .. }, Verb::Apply))
                && matches!(entry.body, EntryBody::Intent { .. })
                && self.recall_of((*leg, step), FORMER)?.is_none()
            {
                continue;
            }
            let reached = match (kind, verb) {
                // Named units are not the product's own service.
                (kind, _) if !kind.units().is_empty() => continue,
                (StepKind::ServiceStop { .. }, Verb::Apply)
                | (StepKind::ServiceStart { .. }, Verb::Undo) => Some(ServiceState::Stopped),
                (StepKind::ServiceStart { .. }, Verb::Apply) => Some(ServiceState::Running),
                // Undone means: as it was.
                (StepKind::ServiceStop { .. }, Verb::Undo) => at_begin,
                _ => continue,
            };
            expected = match &entry.body {
                EntryBody::Outcome { result, .. }
                    if !matches!(result, StepResult::Failed { .. }) =>
                {
                    reached
                }
                _ => None,
            };
        }
        Ok(expected)
    }

    /// What a step kept.
    fn recall_of(
        &self,
        (leg, step): (u32, &StepId),
        what: &str,
    ) -> Result<Option<String>, EngineError> {
        Ok(self.input.log.recall(&self.input.order.key, &step_key(leg, step, what))?)
    }

    /// Starts or stops the service when it is not what it ought to be.
    pub(super) fn align_service(&self, entries: &[Entry], leg: usize) -> Result<(), EngineError> {
        let Some(expected) = self.expected_service(entries)? else { return Ok(()) };
        let service = &self.legs[leg.min(self.legs.len() - 1)].service;
        let found = service.state()?;
        let aligned = match (expected, found) {
            (ServiceState::Running, ServiceState::Stopped) => service.start(ALIGN_LIMIT),
            (ServiceState::Stopped, ServiceState::Running | ServiceState::Mixed) => {
                service.stop(ALIGN_LIMIT)
            }
            _ => return Ok(()),
        };
        tracing::warn!(
            found = state_name(found),
            expected = state_name(expected),
            "the service was not as the journal says"
        );
        if let Err(error) = aligned {
            // The steps that follow look for themselves and tell the cause where people look for it.
            tracing::warn!(
                error = refit_names::chain(&error),
                "failed to bring the service to what the journal says"
            );
        }
        Ok(())
    }
}
