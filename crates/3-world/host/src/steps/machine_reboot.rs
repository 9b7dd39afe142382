//! `machine.reboot`: whether a restart is due. The engine writes the request and the fold awaits the boot; where none is due, this
//! says why.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError};
use refit_packs::runbook::RebootPolicy;

pub(super) struct MachineReboot(pub(super) RebootPolicy);

/// Whether the machine restarts now.
pub(crate) fn is_due(context: &Context<'_>, policy: RebootPolicy) -> Result<bool, StepError> {
    Ok(match policy {
        RebootPolicy::Always => true,
        RebootPolicy::Never => false,
        RebootPolicy::IfNeeded => !context.restart_reasons()?.is_empty(),
    })
}

impl Deed for MachineReboot {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let reasons = context.restart_reasons()?;
        Ok(Precheck::AlreadyDone(match (self.0, &reasons[..]) {
            (_, []) => "no restart: nothing asks for one".to_owned(),
            (policy, some) => {
                format!("no restart, policy {policy:?}: one is needed, {}", some.join("; "))
            }
        }))
    }

    fn apply(&self, _: &Context<'_>) -> Result<String, StepError> {
        Ok("restart asked for".to_owned())
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(Undo::Nothing { because: "a restart leaves nothing behind".to_owned() })
    }
}
