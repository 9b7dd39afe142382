//! Reasons that people stated.

use super::{RiskInput, because, weighed};
use crate::{Exposure, RiskReason, RiskStatus};

pub(super) fn entries(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let of_host = input.entries.iter().filter(|entry| entry.host == input.host.name);
    let reasons = of_host.flat_map(|entry| {
        let weight = input.weights.get("entry.each");
        let points = |exposure: Exposure| exposure.product().saturating_mul(weight);
        let (now, first) = (entry.now(), entry.exposure);
        let left = match &entry.status {
            RiskStatus::Open => String::new(),
            RiskStatus::Accepted { by, reason, .. } => format!(", accepted by {by}: {reason}"),
            RiskStatus::Mitigated { by, .. } => {
                format!(", mitigated by {by} from {} × {}", first.likelihood, first.impact)
            }
        };
        let scale = format!("likelihood {} × impact {}{left}", now.likelihood, now.impact);
        let source = format!("stated by {}", entry.by);
        let reason = RiskReason {
            entry: Some(entry.id),
            points_before: matches!(entry.status, RiskStatus::Mitigated { .. })
                .then(|| points(first)),
            ..because(
                format!("{} ({scale})", entry.text),
                &entry.mitigation,
                &source,
                Some(entry.at),
            )
        };
        let weight = format!("entry.each × {}", now.product());
        weighed(points(now), "stated", weight, reason)
    });
    reasons.collect()
}
