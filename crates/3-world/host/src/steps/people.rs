//! `people.*` and `evidence.upload`: the engine writes the intent and waits, the fold says what an answer means; here is
//! only that nothing of it touches the host.

use super::Look;
use crate::{context::Context, error::StepError};

pub(super) struct Asks;

impl Look for Asks {
    fn look(&self, _: &Context<'_>) -> Result<String, StepError> {
        Ok("asked".to_owned())
    }
}
