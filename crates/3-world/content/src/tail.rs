//! The beginning of a chunk that is still on its way: what arrived of it survives a kill and does not travel again.
//!
//! ```text
//! offset of the chunk in the bundle (u64 LE)  bytes
//! ```

use crate::{ContentError, cache};
use refit_packs::record::Bundle;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const HEAD_BYTES: usize = 8;

pub(crate) struct Tail {
    file: File,
    path: PathBuf,
    at: u64,
    kept: usize,
}

pub(crate) fn path_of(dir: &Path, bundle: &Bundle) -> PathBuf {
    dir.join(format!("{}.tail", bundle.digest.to_hex()))
}

impl Tail {
    /// Opens it, and returns what it holds: where in the bundle, and the bytes.
    pub(crate) fn open(
        dir: &Path,
        bundle: &Bundle,
    ) -> Result<(Self, (u64, Vec<u8>)), ContentError> {
        let path = path_of(dir, bundle);
        let file = cache::open_kept(&path)?;
        let held = fs::read(&path).map_err(ContentError::io("read", &path))?;
        let held = held
            .split_first_chunk::<HEAD_BYTES>()
            .map(|(head, bytes)| (u64::from_le_bytes(*head), bytes.to_vec()))
            .unwrap_or_default();
        Ok((Self { file, path, at: held.0, kept: held.1.len() }, held))
    }

    /// Keeps what arrived of the chunk at `at`; what was kept of it before is the beginning of `bytes`.
    pub(crate) fn keep(&mut self, at: u64, bytes: &[u8]) -> Result<(), ContentError> {
        let write = || {
            if at != self.at || bytes.len() < self.kept {
                // Emptied first: a kill in between leaves nothing, never old bytes under a new offset.
                self.file.set_len(0)?;
                self.file.write_all_at(&at.to_le_bytes(), 0)?;
                (self.at, self.kept) = (at, 0);
            }
            self.file.write_all_at(&bytes[self.kept..], (HEAD_BYTES + self.kept) as u64)?;
            self.kept = bytes.len();
            Ok(())
        };
        let mut write = write;
        write().map_err(ContentError::io("write", &self.path))
    }

    /// Forgets it: it was not what it should be.
    pub(crate) fn clear(&mut self) -> Result<(), ContentError> {
        (self.at, self.kept) = (u64::MAX, 0);
        self.file.set_len(0).map_err(ContentError::io("write", &self.path))
    }
}
