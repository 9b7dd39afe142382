//! What runs a product: one trait, three back ends.

use crate::{error::StepError, product::ProductConfig};
use refit_inventory::ServiceState;
use std::{path::Path, time::Duration};

/// The services of one product.
pub trait Service: Send + Sync {
    /// Whether they run.
    ///
    /// # Errors
    /// [`StepError`] when that cannot be seen.
    fn state(&self) -> Result<ServiceState, StepError>;
    /// Starts them and has them start at boot again if they did before; does nothing where they run.
    ///
    /// # Errors
    /// [`StepError`] when they do not run within `limit`.
    fn start(&self, limit: Duration) -> Result<(), StepError>;
    /// Stops them and keeps a boot from starting them; does nothing where they are stopped.
    ///
    /// # Errors
    /// [`StepError`] when they are not stopped within `limit`.
    fn stop(&self, limit: Duration) -> Result<(), StepError>;
}

/// The back end that the configuration names. `state` is the agent's state folder.
///
/// After a boot the agent starts supervised services with it, but only where no order is begun: a begun order knows better.
#[must_use]
pub fn open(product: &ProductConfig, state: &Path) -> Box<dyn Service> {
    let _ = (product, state);
    todo!()
}
