//! The switch for maintenance: a file, so that it outlives every process.

use crate::layout::{Layout, sync_folder};
use anyhow::{Context as _, Result};
use std::{fs, io::ErrorKind, path::Path};

/// From the moment this returns no new write is accepted; one that was being stored has its answer.
pub(crate) fn close(layout: &Layout) -> Result<String> {
    let flag = layout.closed_flag();
    fs::write(&flag, b"closed for maintenance\n")
        .with_context(|| format!("failed to write {}", flag.display()))?;
    sync_folder(flag.parent().unwrap_or(Path::new("/")))?;
    Ok("closed: writes are answered with 503".to_owned())
}

/// Lets writes in again.
pub(crate) fn open(layout: &Layout) -> Result<String> {
    let flag = layout.closed_flag();
    match fs::remove_file(&flag) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", flag.display()))
        }
        _ => {
            sync_folder(flag.parent().unwrap_or(Path::new("/")))?;
            Ok("open".to_owned())
        }
    }
}

/// Whether writes are refused now. What cannot be seen counts as closed: a refused write is repeated, an accepted one cannot be taken back.
pub(crate) fn is_closed(layout: &Layout) -> bool {
    layout.closed_flag().try_exists().unwrap_or(true)
}
