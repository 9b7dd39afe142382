//! Sub-stage 5: the new releases stand beside the running one and the host was measured; from here on it needs nobody.

use super::{Preparation, StageError, blocking};
use refit_journal::Cause;
use refit_protocol::agent::{Measured, Standing};
use refit_rollout::PrepareStage;
use std::sync::Arc;

impl Preparation<'_> {
    pub(super) async fn finalise(&mut self) -> Result<String, StageError> {
        let records = self.agent.orders.records(self.order)?;
        let engine = Arc::new(self.agent.engine(self.order, records)?);
        let (staging, agent, order) =
            (Arc::clone(&engine), Arc::clone(self.agent), self.order.clone());
        let lines = blocking(move || {
            staging.stage(&|line| {
                tracing::info!("prepare: {line}");
                // Says that it is alive: scripts of the stage phase may take minutes.
                let (stage, zero) = (PrepareStage::Finalise, refit_names::ByteSize(0));
                agent.board.say(
                    &order,
                    Standing::Preparing { stage, done: zero, total: zero, pace: None },
                );
            })
        });
        let lines = lines.await??;
        self.book.preflight = blocking(move || engine.preflight()).await??;
        let bad: Vec<&Measured> =
            self.book.preflight.iter().filter(|measured| !measured.ok).collect();
        if !bad.is_empty() {
            let text = bad
                .iter()
                .map(|bad| format!("{}: expected {}, found {}", bad.what, bad.expected, bad.found));
            let text = text.collect::<Vec<_>>().join("; ");
            return Err(StageError::Again(Cause {
                code: "prepare.preflight-failed".to_owned(),
                text,
            }));
        }
        let measured = self.book.preflight.len();
        // An earlier try that was cut off may have done all of it.
        let staged =
            if lines.is_empty() { "releases are staged".to_owned() } else { lines.join("; ") };
        Ok(format!("{staged}; {measured} preflight values are well"))
    }
}
