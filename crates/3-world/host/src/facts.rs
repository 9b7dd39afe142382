//! What this host looks like.

use crate::{error::EngineError, journal::StepLog, product::ProductConfig};
use refit_inventory::ObservedFacts;
use std::path::Path;

/// Looks at the host and at the products that the agent is told of.
///
/// # Errors
/// [`EngineError`] when the operating system does not say what every Linux says.
pub fn collect(
    products: &[ProductConfig],
    state: &Path,
    log: &dyn StepLog,
    agent_version: &str,
    now: jiff::Timestamp,
) -> Result<ObservedFacts, EngineError> {
    let _ = (products, state, log, agent_version, now);
    todo!()
}
