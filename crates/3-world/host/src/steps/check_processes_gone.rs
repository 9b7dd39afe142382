//! `check.processes-gone`: nothing runs from the product's folder; who does is named, and ended only where the runbook says so.

use super::measure::Measure;
use crate::{context::Context, error::StepError, finding::Finding, leftovers};
use refit_packs::runbook::{CheckProcessesGone, EndSignal};
use rustix::process::Signal;
use std::time::Duration;

pub(super) struct CheckProcessesGoneOf<'a>(pub(super) &'a CheckProcessesGone);

impl Measure for CheckProcessesGoneOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let root = &context.product_folder()?;
        let limit = Duration::from_millis(self.0.wait_ms).min(context.limit());
        let of_service = context.of_running_service()?;
        let mut left = leftovers::await_gone_but(root, limit, &of_service)?;
        let mut ended = String::new();
        if self.0.end && !left.is_empty() && !context.only_measures {
            tracing::warn!(
                left = leftovers::list(&left),
                "ending what runs on, as the runbook says"
            );
            ended = format!("; ended {}", leftovers::list(&left));
            left = leftovers::end(
                root,
                signal(self.0.signal),
                Duration::from_millis(self.0.end_wait_ms),
            )?;
        }
        let but = if context.only_measures { ", without the product's own service" } else { "" };
        let what = format!("processes that run from {}{but}", root.display());
        let told = if left.is_empty() { format!("none{ended}") } else { leftovers::list(&left) };
        let remedy = "end the named processes, or add them to the product's services";
        let finding = Finding::new(what, told, "none").judged(left.is_empty(), remedy);
        Ok(vec![finding.coded("host.processes-left")])
    }
}

const fn signal(signal: EndSignal) -> Signal {
    match signal {
        EndSignal::Term => Signal::TERM,
        EndSignal::Int => Signal::INT,
        EndSignal::Hup => Signal::HUP,
        EndSignal::Quit => Signal::QUIT,
        EndSignal::Kill => Signal::KILL,
    }
}
