//! `check.memory`: memory of the machine, and what programs can still get of it.

use super::measure::Measure;
use crate::{context::Context, error::StepError, facts, finding::Finding};
use refit_packs::runbook::CheckMemory;

pub(super) struct CheckMemoryOf<'a>(pub(super) &'a CheckMemory);

impl Measure for CheckMemoryOf<'_> {
    fn measure(&self, _: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let memory = facts::memory_of(&["MemTotal", "MemAvailable"])?;
        let pairs = [
            ("memory of the machine", memory[0], self.0.total, "give the machine more memory"),
            (
                "memory available",
                memory[1],
                self.0.available,
                "stop what is not needed, or give the machine more memory",
            ),
        ];
        let asked = pairs.into_iter().filter(|(_, _, limit, _)| limit.0 > 0);
        Ok(asked
            .map(|(what, found, limit, remedy)| {
                Finding::new(what, found, format!("at least {limit}"))
                    .judged(found >= limit, remedy)
            })
            .collect())
    }
}
