//! One writer at a time.

use crate::error::VaultError;
use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    path::Path,
};

/// Beside restic's own files; restic itself does not look at it.
const LOCK_FILE: &str = ".refit-lock";

/// Held as long as it lives, and not longer than the process.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(folder: &Path) -> Result<Self, VaultError> {
        let path = folder.join(LOCK_FILE);
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(VaultError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim().to_owned();
                return Err(VaultError::Busy { folder: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(VaultError::io("lock", &path)(error)),
        }
        file.set_len(0).map_err(VaultError::io("write", &path))?;
        let holder = format!("process {}", std::process::id());
        file.write_all(holder.as_bytes()).map_err(VaultError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}
