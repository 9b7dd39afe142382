//! The machine itself: which boot this is, and how to restart it.

use crate::error::StepError;

/// A machine that can restart.
pub trait Machine: Send + Sync {
    /// Identifies this boot.
    ///
    /// # Errors
    /// [`StepError`] when the kernel does not say.
    fn boot_id(&self) -> Result<String, StepError>;
    /// Asks for a restart and returns.
    ///
    /// # Errors
    /// [`StepError`] when the request was refused.
    fn reboot(&self) -> Result<(), StepError>;
}
