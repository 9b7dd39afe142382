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

/// Makes exactly `size` bytes of `old` and `frame` and hands them on.
///
/// # Errors
/// [`DeltaError`] when the frame is damaged or holds another number of bytes, or when `to` refuses.
pub fn apply(old: &[u8], frame: &[u8], size: u64, to: &mut dyn Write) -> Result<(), DeltaError> {
    let damaged = |source| DeltaError::Damaged { what: "frame", source };
    let mut decoder =
        zstd::stream::read::Decoder::with_ref_prefix(frame, old).map_err(damaged)?.single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(damaged)?;
    let (mut block, mut rest) = (vec![0; BLOCK_BYTES], size);
    loop {
        let count = decoder.read(&mut block).map_err(damaged)?;
        if count == 0 {
            break;
        }
        rest = rest.checked_sub(count as u64).ok_or_else(|| {
            DeltaError::unsound("frame", format!("{size} bytes"), "more than that")
        })?;
        to.write_all(&block[..count]).map_err(|source| DeltaError::Write { source })?;
    }
    if rest > 0 {
        return Err(DeltaError::unsound("frame", format!("{size} bytes"), size - rest));
    }
    Ok(())
}
