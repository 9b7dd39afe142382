//! What is left of a run: each step as long as it took on this host before, or its share of what the pack says.

use super::{Engine, drive::Chosen};
use refit_names::StepId;
use refit_packs::runbook::Phase;
use std::collections::BTreeMap;

/// Under this key an order says of which product it is, for whoever looks at times later.
const PRODUCT: &str = "product";

impl Engine {
    /// Notes the product, so that later runs find the times of this one.
    pub(super) fn remember_product(&self) -> Result<(), super::EngineError> {
        let product = self.input.product.name.as_str();
        self.input.log.remember(&self.input.order.key, PRODUCT, product)?;
        Ok(())
    }

    /// Milliseconds of this step and of all after it.
    pub(super) fn expected(&self, chosen: &Chosen) -> (u64, u64) {
        let mut later = 0_u64;
        let mut this = 0;
        for (at, leg) in self.steps.iter().enumerate().skip(chosen.leg as usize) {
            let deploys = leg.steps.iter().filter(|step| step.phase != Phase::Stage).count();
            let share = self.legs[at].record.manifest.estimate.p50_ms / deploys.max(1) as u64;
            let first = if at == chosen.leg as usize { chosen.step } else { 0 };
            for (place, step) in leg.steps.iter().enumerate().skip(first) {
                if step.phase == Phase::Stage {
                    continue;
                }
                let took = self.took_before(&step.id).unwrap_or(share);
                if at == chosen.leg as usize && place == chosen.step {
                    this = took;
                } else {
                    later = later.saturating_add(took);
                }
            }
        }
        (this, later)
    }

    /// The median of what the step took on this host before this run.
    fn took_before(&self, step: &StepId) -> Option<u64> {
        self.took_before.get_or_init(|| self.medians()).get(step).copied()
    }

    fn medians(&self) -> BTreeMap<StepId, u64> {
        let known = self.input.log.step_times(self.input.product.name.as_str());
        let times = known.unwrap_or_else(|error| {
            tracing::warn!(error = refit_names::chain(&error), "earlier times are not known");
            BTreeMap::new()
        });
        let median = |(step, mut times): (StepId, Vec<u64>)| {
            times.sort_unstable();
            Some((step, *times.get(times.len().checked_sub(1)? / 2)?))
        };
        times.into_iter().filter_map(median).collect()
    }
}
