//! Scripts that say how they are taken back: the removal takes them back in the reverse of their order, each while the product is as it
//! was when the script ran.

use crate::runbook::{Phase, Runbook, Step, StepKind};

/// What the removal runs, by the place where it belongs.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    /// While the product still runs.
    pub(super) first: Vec<Step>,
    /// While it is down, before the exchange.
    pub(super) before: Vec<Step>,
    /// While it is down, after the exchange.
    pub(super) behind: Vec<Step>,
    /// While it runs again.
    pub(super) last: Vec<Step>,
}

impl TakenBack {
    /// Scripts of the phase `stage` worked inside the release that goes.
    pub(super) fn of(own: &Runbook) -> Self {
        let mut found = Self::default();
        let (mut stopped, mut exchanged) = (false, false);
        for step in &own.steps {
            match &step.kind {
                StepKind::ServiceStop { units } if units.is_empty() => stopped = true,
                StepKind::ServiceStart { units, .. } if units.is_empty() => stopped = false,
                kind if kind.exchanges() => exchanged = true,
                StepKind::ScriptRun { run, undo: Some(undo), repeatable } => {
                    if step.phase == Phase::Stage {
                        continue;
                    }
                    let (steps, phase) = match (exchanged, stopped) {
                        (true, false) => (&mut found.first, Phase::Protect),
                        (true, true) => (&mut found.before, Phase::Install),
                        (false, true) => (&mut found.behind, Phase::Install),
                        (false, false) => (&mut found.last, Phase::After),
                    };
                    let kind = StepKind::ScriptRun {
                        run: undo.clone(),
                        undo: Some(run.clone()),
                        repeatable: *repeatable,
                    };
                    steps.insert(0, Step { phase, kind, ..step.clone() });
                }
                _ => {}
            }
        }
        found
    }
}
