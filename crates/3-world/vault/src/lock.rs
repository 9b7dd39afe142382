//! One writer at a time.

use crate::{
    error::VaultError,
    s3::{Held, NotHeld},
    target::Reached,
};
use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    path::Path,
};

/// Beside restic's own files; restic itself does not look at it.
const LOCK_FILE: &str = ".refit-lock";

/// Held as long as it lives, and not longer than the process.
pub(crate) enum Lock {
    File { _file: File },
    Name { _held: Held },
}

impl Lock {
    pub(crate) fn take(target: &Reached) -> Result<Self, VaultError> {
        let holder = format!("process {}", std::process::id());
        match target {
            Reached::Folder(folder) => Self::file(folder, &holder),
            Reached::S3(s3) => match Held::take(s3, &holder) {
                Ok(held) => Ok(Self::Name { _held: held }),
                Err(NotHeld::Busy(holder)) => {
                    Err(VaultError::Busy { place: target.name(), holder })
                }
                Err(NotHeld::Fault(fault)) => Err(target.failed()(fault)),
            },
        }
    }

    fn file(folder: &Path, holder: &str) -> Result<Self, VaultError> {
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
                return Err(VaultError::Busy { place: folder.display().to_string(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(VaultError::io("lock", &path)(error)),
        }
        // Only for the message of others: on a full volume, forgetting must still be possible.
        let _ = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
        Ok(Self::File { _file: file })
    }
}
