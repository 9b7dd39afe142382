//! `machine.reboot`: the engine writes the request and the fold awaits the boot; what is left for here is to say so.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError};

pub(super) struct MachineReboot;

impl Deed for MachineReboot {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
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
