//! Sub-stage 1 of an order that removes a pack: nothing is fetched; whether it can be done here is found out before anything is down.

use super::{Preparation, StageError, blocking};
use crate::removal;
use refit_journal::Cause;
use refit_names::{Coded, ErrorClass};
use std::sync::Arc;

impl Preparation<'_> {
    pub(super) async fn replicate_nothing(&mut self) -> Result<String, StageError> {
        let (agent, order) = (Arc::clone(self.agent), self.order.clone());
        let removal = blocking(move || removal::of_order(&agent, &order)).await?;
        let removal = removal.map_err(|error| match error.class() {
            ErrorClass::Retry => StageError::Again(Cause::of(&error)),
            _ => StageError::Refused(Cause::of(&error)),
        })?;
        self.agent.orders.save_way_back(self.order, &removal.record)?;
        Ok(format!(
            "nothing to fetch: build {} is removed and build {} runs again; {}",
            removal.build, removal.back_to, removal.data
        ))
    }
}
