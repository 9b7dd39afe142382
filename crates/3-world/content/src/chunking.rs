//! Where content is cut: the same places on the machine that builds a pack and on the host that looks for chunks it already has.

use refit_names::ChunkId;
use std::io::{self, Read};

/// A chunk is never smaller, except the last of a file: keeps the index of a pack below 0.3 % of its content.
const CHUNK_BYTES_MIN: usize = 16 << 10;
/// Half of it is fetched again for one changed byte; smaller chunks cost more index and compress worse.
const CHUNK_BYTES_AVERAGE: usize = 64 << 10;
/// Bounds the memory of everybody who holds one chunk.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Longest zstd frame of one chunk: incompressible content grows by a header only.
pub const STORED_BYTES_MAX: usize = CHUNK_BYTES_MAX + (4 << 10);
/// Packs are built once and fetched by every host; beyond this level chunks of 64 KiB hardly shrink and cost twice as much.
const ZSTD_LEVEL: i32 = 6;

/// Cuts what `source` gives by content (FastCDC 2020). An empty source has no chunks.
pub fn chunks_of<R: Read>(source: R) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    fastcdc::v2020::StreamCDC::new(source, CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX)
        .map(|chunk| chunk.map(|chunk| chunk.data).map_err(io::Error::from))
}

/// Names a chunk by its content.
#[must_use]
pub fn chunk_id(content: &[u8]) -> ChunkId {
    ChunkId::from_bytes(*blake3::hash(content).as_bytes())
}

/// Compresses one chunk to one frame; same content, same bytes.
///
/// # Errors
/// When the compressor has no memory.
pub fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(content, ZSTD_LEVEL)
}

/// Expands one frame whose content has exactly `size` bytes.
///
/// # Errors
/// When the frame is damaged or its content has another length.
pub fn expand(frame: &[u8], size: u32) -> io::Result<Vec<u8>> {
    let size = size as usize;
    if size > CHUNK_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "chunk is larger than any may be"));
    }
    let content = zstd::bulk::decompress(frame, size)?;
    if content.len() != size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "content of the chunk has another length",
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_join_to_the_source(seed in any::<u64>(), length in 0_usize..700_000) {
            let mut state = seed | 1;
            let source: Vec<u8> = (0..length).map(|_| { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as u8 }).collect();
            let mut joined = Vec::new();
            for chunk in chunks_of(source.as_slice()) {
                let chunk = chunk.unwrap();
                prop_assert!(chunk.len() <= CHUNK_BYTES_MAX);
                let frame = compress(&chunk).unwrap();
                prop_assert!(frame.len() <= STORED_BYTES_MAX);
                prop_assert_eq!(&expand(&frame, chunk.len() as u32).unwrap(), &chunk);
                joined.extend(chunk);
            }
            prop_assert_eq!(joined, source);
        }
    }

    #[test]
    fn frame_of_another_length_is_refused() {
        let frame = compress(b"twelve bytes").unwrap();
        assert!(expand(&frame, 11).is_err());
        assert!(expand(&frame, 13).is_err());
        assert!(expand(b"no frame", 8).is_err());
    }
}
