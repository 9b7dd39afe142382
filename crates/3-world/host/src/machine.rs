//! The machine itself: which boot this is, and how to restart it.

use crate::{error::StepError, service::systemd};
use std::{fs, path::Path};

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

/// The machine that the agent runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn boot_id(&self) -> Result<String, StepError> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let text = fs::read_to_string(path).map_err(StepError::io("read", path))?;
        // A container shares the kernel's number with its host: the start of its first process tells its own boots apart.
        let first = crate::process::began(1).unwrap_or_default();
        Ok(format!("{}.{first}", text.trim()))
    }

    fn reboot(&self) -> Result<(), StepError> {
        systemd::Systemd::connect().reboot()
    }
}
