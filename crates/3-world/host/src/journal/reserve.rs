//! Room that is kept for the journal: a volume that is full must not keep a host from writing down its way back.

use rusqlite::{Error, ErrorCode};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The entries of the longest way back, several times over.
const BYTES: u64 = 1 << 20;
/// Less than this is none: file systems keep a little for themselves.
const FULL_BELOW: u64 = 64 << 10;

/// A file that only takes room.
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn of(state: &Path) -> Self {
        Self { path: state.join("journal.reserve") }
    }

    /// Takes the room when it is not taken and there is enough; a host without it works all the same.
    pub(super) fn fill(&self) {
        if fs::metadata(&self.path).is_ok_and(|seen| seen.len() == BYTES) {
            return;
        }
        let taken = File::create(&self.path).and_then(|file| {
            fallocate(&file, FallocateFlags::empty(), 0, BYTES).map_err(io::Error::from)
        });
        if let Err(error) = taken {
            tracing::warn!(%error, "no room could be kept for the journal");
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Gives the room back when `error` came because there is none; whether to try again.
    pub(super) fn helps(&self, error: &Error) -> bool {
        let gave = self.is_full(error) && fs::remove_file(&self.path).is_ok();
        if gave {
            tracing::warn!("the volume is full: the journal takes the room that was kept for it");
        }
        gave
    }

    /// Whether `error` came because the volume is full; not every part of the database says so itself.
    pub(super) fn is_full(&self, error: &Error) -> bool {
        let code = error.sqlite_error_code();
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let full =
            || statvfs(folder).is_ok_and(|volume| volume.f_bavail * volume.f_frsize < FULL_BELOW);
        code == Some(ErrorCode::DiskFull) || (code == Some(ErrorCode::SystemIoFailure) && full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    #[test]
    fn room_that_was_given_up_is_kept_again_without_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        let reserve = Reserve::of(state.path());
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        assert!(reserve.helps(&Error::SqliteFailure(full, None)));
        assert!(!reserve.path.exists());
        journal.keep_room();
        assert_eq!(fs::metadata(&reserve.path).unwrap().len(), BYTES);
    }
}
