//! What is left of a host's run, as the hosts of its role say that were changed before it in the same rollout.

use refit_journal::OrderOutcome;
use refit_names::{HostName, RoleName, StepId};
use refit_plan::{Plan, PlannedHost};
use refit_protocol::agent::{OrderReport, RunEvidence, Standing};
use std::collections::BTreeMap;

/// The steps of a role in their order, each with how long it took, in milliseconds.
type Times = Vec<((u32, StepId), Vec<u64>)>;

/// What finished hosts took, by role.
pub(crate) struct Expected(BTreeMap<RoleName, Times>);

impl Expected {
    /// Of a plan's reports.
    pub(crate) fn of(plan: &Plan, reports: &BTreeMap<HostName, OrderReport>) -> Self {
        let mut roles: BTreeMap<RoleName, Times> = BTreeMap::new();
        for (_, planned) in plan.hosts() {
            let standing = reports.get(&planned.host).map(|report| &report.standing);
            let Some(Standing::Finished { outcome: OrderOutcome::Succeeded { .. }, evidence }) =
                standing
            else {
                continue;
            };
            add(roles.entry(planned.role.clone()).or_default(), evidence);
        }
        Self(roles)
    }

    /// Sets what is left where the role knows; the host's own guess stays where it does not.
    pub(crate) fn tell(&self, planned: &PlannedHost, report: &mut OrderReport) {
        let Standing::Running { progress } = &mut report.standing else { return };
        let Some(times) = self.0.get(&planned.role).filter(|_| !progress.rolling_back) else {
            return;
        };
        let at = times
            .iter()
            .position(|((leg, step), _)| *leg == progress.leg && *step == progress.step);
        let Some(at) = at else { return };
        let sum = |part: &[((u32, StepId), Vec<u64>)]| -> u64 {
            part.iter().map(|(_, took)| median(took)).sum()
        };
        let (later, all) = (sum(&times[at + 1..]), sum(times));
        progress.expected_left_ms = Some(later.max(all.saturating_sub(progress.elapsed_ms)));
        progress.expected_ms = all;
    }
}

fn add(times: &mut Times, evidence: &RunEvidence) {
    for step in evidence.steps.iter().filter(|step| matches!(&*step.result, "done" | "not needed"))
    {
        let key = (step.leg, step.step.clone());
        match times.iter_mut().find(|(known, _)| *known == key) {
            Some((_, took)) => took.push(step.took_ms),
            None => times.push((key, vec![step.took_ms])),
        }
    }
}

fn median(took: &[u64]) -> u64 {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_one_of_the_values() {
        assert_eq!((median(&[9, 1, 5]), median(&[4, 2]), median(&[])), (5, 2, 0));
    }
}
