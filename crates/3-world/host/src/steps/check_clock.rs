//! `check.clock`: how far the host's clock is off.

use super::measure::Measure;
use crate::{clock, context::Context, error::StepError, finding::Finding};
use jiff::SignedDuration;
use refit_packs::runbook::CheckClock;
use std::time::Duration;

/// A time server that is well answers within milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct CheckClockOf<'a>(pub(super) &'a CheckClock);

impl Measure for CheckClockOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let offset = match &self.0.server {
            Some(server) => {
                let limit = context.limit().min(ANSWER_LIMIT);
                clock::ask_server(&context.text(server)?, || context.clock.now(), limit)?
            }
            None => clock::ask_host()?,
        };
        let remedy = "start the host's time service and wait until it is in step";
        let what = format!("clock, by {}", offset.source);
        let limit = SignedDuration::from_millis(i64::try_from(self.0.skew_ms).unwrap_or(i64::MAX));
        let kept = offset.kept != Some(false);
        let Some(ahead) = offset.ahead else {
            let found = if kept { "kept by a time service" } else { "kept by nobody" };
            return Ok(vec![
                Finding::new(what, found, "kept by a time service").judged(kept, remedy),
            ]);
        };
        let way = if ahead.is_negative() { "behind" } else { "ahead" };
        let found = format!(
            "{} ms {way}{}",
            ahead.abs().as_millis(),
            if kept { "" } else { ", kept by nobody" }
        );
        let allowed = format!("at most {} ms", self.0.skew_ms);
        Ok(vec![Finding::new(what, found, allowed).judged(kept && ahead.abs() <= limit, remedy)])
    }
}
