//! What happens to one host in one run, drawn before the run begins.

use crate::draw::Luck;
use crate::model::{Model, ModelHost};

/// Tries to prepare a host before a person leaves it out.
pub(crate) const PREPARE_TRIES_MAX: u32 = 5;

/// A host's fate. All of it is drawn, also what is not needed: so no draw moves another.
pub(crate) struct Fate {
    /// How long its preparation takes when it works.
    pub(crate) prepare_ms: i64,
    /// Tries that fail before.
    pub(crate) prepare_failures: u32,
    /// How long it is silent after it was told to go.
    pub(crate) silent_ms: i64,
    /// How long it takes when all goes well.
    pub(crate) run_ms: i64,
    /// When it fails, after its begin.
    pub(crate) fails_after_ms: Option<i64>,
    /// How long it takes to come back.
    pub(crate) undo_ms: i64,
    /// Whether coming back fails as well.
    pub(crate) stuck: bool,
}

impl Fate {
    pub(crate) fn of(model: &Model, host: &ModelHost, run: u32) -> Self {
        let mut luck = Luck::of(model.seed, run, host.subject);
        let assumed = &model.assumptions;
        let prepare_ms = model.prepare.draw(&mut luck);
        let mut failing = true;
        let mut prepare_failures = 0;
        for _ in 0..PREPARE_TRIES_MAX {
            failing &= luck.happens(assumed.prepare_failure.share());
            prepare_failures += u32::from(failing);
        }
        let silent = luck.happens(assumed.unreachable.share());
        let outage_ms = model.outage.draw(&mut luck);
        let run_ms = host.run.draw(&mut luck);
        let fails = luck.happens(host.failure.share());
        let part = luck.unit();
        Self {
            prepare_ms,
            prepare_failures,
            silent_ms: if silent { outage_ms } else { 0 },
            run_ms,
            fails_after_ms: fails.then_some((run_ms as f64 * part) as i64),
            undo_ms: host.undo.draw(&mut luck),
            stuck: luck.happens(assumed.undo_failure.share()),
        }
    }
}
