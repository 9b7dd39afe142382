//! `machine.wait`: lets time pass, or waits until something is seen.

use super::{Look, waiting::until};
use crate::{context::Context, error::StepError};
use refit_packs::runbook::MachineWait;
use std::{thread, time::Duration};

pub(super) struct MachineWaitOf<'a>(pub(super) &'a MachineWait);

impl Look for MachineWaitOf<'_> {
    fn look(&self, context: &Context<'_>) -> Result<String, StepError> {
        let MachineWait { for_ms, until: seen } = self.0;
        thread::sleep(Duration::from_millis(*for_ms).min(context.limit()));
        let waited = format!("waited {}", refit_names::span(*for_ms));
        Ok(match seen {
            Some(probe) => format!("{waited}; {}", until(context, probe)?),
            None => waited,
        })
    }
}
