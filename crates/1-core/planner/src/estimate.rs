//! How long a host takes: what its packs say, or what finished runs say once there are enough of them.

use crate::{PlanInput, SAMPLES_MIN};
use refit_names::RoleName;
use refit_packs::catalog::PackSummary;
use refit_plan::Way;

/// The times of one host over all its packs, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostEstimate {
    pub(crate) p50_ms: u64,
    pub(crate) p95_ms: u64,
    pub(crate) undo_p95_ms: u64,
    /// Empty: from the packs.
    pub(crate) origin: String,
}

/// Sums of percentiles are no percentiles, but never less than those of the sum for the upper ones: the careful side.
pub(crate) fn of(input: &PlanInput, path: &[&PackSummary], role: &RoleName) -> HostEstimate {
    let mut whole = HostEstimate::default();
    let mut origins = Vec::new();
    // History tells of installations; of a removal nobody knows more than its pack says of them.
    let told = !input.history.is_empty() && input.demands.way == Way::Forward;
    for pack in path {
        let said = input.estimates.get(&pack.record_digest).copied().unwrap_or_default();
        let key = || (pack.record_digest, role.clone());
        let measured = if told { input.history.get(&key()) } else { None };
        let (mut p50, mut p95, mut undo) = (said.p50_ms, said.p95_ms, said.undo_p95_ms);
        if let Some(runs) = measured.filter(|measured| measured.runs >= SAMPLES_MIN) {
            (p50, p95) = (runs.p50_ms, runs.p95_ms);
            origins.push(format!(
                "build {}: {} finished runs of role {role} (its pack says {})",
                pack.to,
                runs.runs,
                refit_names::span(said.p95_ms)
            ));
        }
        if let Some(runs) = measured.filter(|measured| measured.undone >= SAMPLES_MIN) {
            undo = runs.undo_p95_ms;
        }
        whole.p50_ms = whole.p50_ms.saturating_add(p50);
        whole.p95_ms = whole.p95_ms.saturating_add(p95);
        whole.undo_p95_ms = whole.undo_p95_ms.max(undo);
    }
    whole.origin = origins.join("; ");
    whole
}
