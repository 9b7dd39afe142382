//! `check.processes-gone`: nothing runs from the product's folder; who does is named, never killed.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError, process};
use std::time::Duration;

pub(super) struct CheckProcessesGone {
    pub(super) wait_ms: u64,
}

impl Deed for CheckProcessesGone {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let limit = Duration::from_millis(self.wait_ms).min(context.limit());
        process::wait_gone(context.layout.root(), limit)?;
        Ok(format!("nothing runs from {}", context.layout.root().display()))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
