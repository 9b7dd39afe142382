//! zstd with the old content as its prefix: small for text and archives, where pieces move without changing.

use crate::{DeltaError, NEW_BYTES_MAX, OLD_BYTES_MAX};
use std::io::{self, Read, Write};

/// Covers the old and the new piece together.
const WINDOW_LOG: u32 = 25;
const _: () = assert!(OLD_BYTES_MAX + NEW_BYTES_MAX <= 1 << WINDOW_LOG);
const BLOCK_BYTES: usize = 64 << 10;

/// The frame that makes `new` of `old`.
///
/// # Errors
/// When the compressor has no memory.
pub fn make(old: &[u8], new: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(Vec::new(), level, old)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.long_distance_matching(true)?;
    encoder.include_contentsize(true)?;
    encoder.set_pledged_src_size(Some(new.len() as u64))?;
    encoder.write_all(new)?;
    encoder.finish()
}

/// A frame while it is applied: its content, one piece after the other.
pub struct Patch<'a> {
    decoder: zstd::stream::read::Decoder<'a, &'a [u8]>,
    block: Vec<u8>,
}

impl<'a> Patch<'a> {
    /// Opens `frame`, which was made for `old`.
    ///
    /// # Errors
    /// [`DeltaError`] when there is no memory for it.
    pub fn new(old: &'a [u8], frame: &'a [u8]) -> Result<Self, DeltaError> {
        let open = || {
            let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(frame, old)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Ok(decoder.single_frame())
        };
        let decoder = open().map_err(damaged)?;
        Ok(Self { decoder, block: vec![0; BLOCK_BYTES] })
    }

    /// Hands on the next `size` bytes.
    ///
    /// # Errors
    /// [`DeltaError`] when the frame is damaged or shorter, or when `to` refuses.
    pub fn next(&mut self, size: u64, to: &mut dyn Write) -> Result<(), DeltaError> {
        let mut rest = size;
        while rest > 0 {
            let length = usize::try_from(rest).unwrap_or(usize::MAX).min(BLOCK_BYTES);
            let count = self.decoder.read(&mut self.block[..length]).map_err(damaged)?;
            if count == 0 {
                return Err(DeltaError::unsound("frame", format!("{size} bytes"), size - rest));
            }
            to.write_all(&self.block[..count]).map_err(|source| DeltaError::Write { source })?;
            rest -= count as u64;
        }
        Ok(())
    }
}

fn damaged(source: io::Error) -> DeltaError {
    DeltaError::Damaged { what: "frame", source }
}
