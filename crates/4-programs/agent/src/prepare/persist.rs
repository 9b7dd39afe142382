//! Sub-stage 4: order, records and identifiers on the host's own disk.

use super::{Preparation, StageError, blocking};

impl Preparation<'_> {
    pub(super) async fn persist_commands(&mut self) -> Result<String, StageError> {
        let records = self.agent.orders.records(self.order)?;
        let steps: usize = records.iter().map(|record| record.runbook.steps.len()).sum();
        let count = records.len();
        self.agent.orders.persist(self.order, &records)?;
        let engine = self.agent.engine(self.order, records)?;
        let digest = blocking(move || engine.record_stored()).await??;
        Ok(format!("order {digest} with {count} records and {steps} steps is on disk"))
    }
}
