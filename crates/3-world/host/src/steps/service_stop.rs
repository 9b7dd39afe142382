//! `service.stop`: stops the product and proves it; undone by starting what ran before.

use super::{Deed, Precheck, Undo, service_start::wait_ready};
use crate::{context::Context, error::StepError, service::state_name};
use refit_inventory::ServiceState;
use refit_packs::runbook::{Probe, StepKind};

pub(super) struct ServiceStop;

/// Where the former state is kept.
pub(crate) const FORMER: &str = "former";

impl Deed for ServiceStop {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let former = context.remember(FORMER, state_name(context.service.state()?))?;
        if former == state_name(ServiceState::Stopped) {
            return Ok(Precheck::AlreadyDone("it was stopped before".to_owned()));
        }
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        context.service.stop(context.limit())?;
        Ok("stopped".to_owned())
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        let found = context.service.state()?;
        if found == ServiceState::Stopped {
            return Ok(());
        }
        let (service, found) = (context.product.name.to_string(), state_name(found).to_owned());
        Err(StepError::Service { service, expected: "stopped", found })
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let former = context.recall(FORMER)?;
        if former.is_none_or(|former| former == state_name(ServiceState::Stopped)) {
            return Ok(Undo::Nothing { because: "it did not run before".to_owned() });
        }
        context.service.start(context.limit())?;
        let steps = context.record.runbook.steps.iter();
        // The pack's probe may ask for what only the new build can answer: of the old one it is seen that it listens.
        let listens = steps.filter_map(|step| match &step.kind {
            StepKind::ServiceStart {
                ready: Some(Probe::Tcp { port, host } | Probe::Http { port, host, .. }),
                units,
            } if units.is_empty() => Some(Probe::Tcp { port: port.clone(), host: host.clone() }),
            _ => None,
        });
        for probe in listens {
            wait_ready(context, &probe)?;
        }
        Ok(Undo::Done(format!("build {} runs again", context.from)))
    }
}
