//! What finished runs teach: kept when a host says that it has ended, read when a plan is made.

use crate::{app::App, refusal::Answer};
use refit_names::{Digest, HostName, RoleName};
use refit_planner::Measured;
use refit_protocol::agent::{OrderReport, RunEvidence, Standing};
use refit_store::run_times::RunTimeRow;
use std::collections::BTreeMap;

/// Keeps how long each pack took on a host that has ended; anything else is no news.
pub(crate) async fn learn(app: &App, host: &HostName, report: &OrderReport) -> Answer<()> {
    let Standing::Finished { outcome, evidence } = &report.standing else { return Ok(()) };
    let Some(record) = app.store.host(host).await? else { return Ok(()) };
    // A host that needs a person has no time that says anything.
    let undone = match outcome {
        refit_journal::OrderOutcome::Succeeded { .. } => false,
        refit_journal::OrderOutcome::RolledBack { .. } => true,
        refit_journal::OrderOutcome::NeedsPerson { .. } => return Ok(()),
    };
    for (leg, pack) in (0_u32..).zip(&evidence.packs) {
        let Some(took_ms) = took(evidence, leg, undone) else { continue };
        let run = RunTimeRow {
            rollout: report.key.rollout.clone(),
            host: host.clone(),
            pack: *pack,
            role: record.role.clone(),
            undone,
            took_ms,
            finished_at: evidence.finished_at,
            journal_head: evidence.journal_head,
        };
        app.store.add_run_time(&run).await?;
    }
    Ok(())
}

/// The steps of one leg: of the way there, or of the way back.
fn took(evidence: &RunEvidence, leg: u32, undone: bool) -> Option<u64> {
    let way_back = |result: &str| result == "undone";
    let steps = evidence.steps.iter().filter(|step| step.leg == leg);
    let steps = steps.filter(|step| way_back(&step.result) == undone);
    let times: Vec<u64> = steps.map(|step| step.took_ms).collect();
    (!times.is_empty()).then(|| times.iter().sum())
}

/// Percentiles of what is kept, by pack and role.
pub(crate) async fn measured(app: &App) -> Answer<BTreeMap<(Digest, RoleName), Measured>> {
    let mut runs: BTreeMap<(Digest, RoleName), (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for run in app.store.run_times().await? {
        let (done, undone) = runs.entry((run.pack, run.role)).or_default();
        if run.undone { undone.push(run.took_ms) } else { done.push(run.took_ms) }
    }
    let each = runs.into_iter().map(|(of, (mut done, mut undone))| {
        done.sort_unstable();
        undone.sort_unstable();
        let measured = Measured {
            runs: u32::try_from(done.len()).unwrap_or(u32::MAX),
            p50_ms: percentile(&done, 50),
            p95_ms: percentile(&done, 95),
            undone: u32::try_from(undone.len()).unwrap_or(u32::MAX),
            undo_p95_ms: percentile(&undone, 95),
        };
        (of, measured)
    });
    Ok(each.collect())
}

/// The smallest value that at least so many per cent of a sorted series do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_one_of_the_values() {
        let series: Vec<u64> = (1..=20).collect();
        assert_eq!((percentile(&series, 50), percentile(&series, 95)), (10, 19));
        assert_eq!((percentile(&[7], 95), percentile(&[], 95)), (7, 0));
    }
}
