//! `check.reboot-pending`: no restart of the machine is pending.

use super::measure::Measure;
use crate::{context::Context, error::StepError, finding::Finding};

pub(super) struct CheckRebootPending;

impl Measure for CheckRebootPending {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let reasons = context.restart_reasons()?;
        let found = if reasons.is_empty() { "none".to_owned() } else { reasons.join("; ") };
        let remedy = "restart the machine in its own window, and look whether all is well, before anything is changed";
        Ok(vec![Finding::new("pending restart", found, "none").judged(reasons.is_empty(), remedy)])
    }
}
