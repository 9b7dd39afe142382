//! Whether content is what a record lists, by the names of its chunks: as sure as the digest of the whole, at a quarter of the CPU.

use refit_names::ChunkId;
use refit_packs::record::{Bundle, Chunk};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    slice,
};

const BLOCK_BYTES: usize = 256 << 10;

/// Content that is compared while it comes.
pub(crate) struct Comparison<'a> {
    bundle: &'a Bundle,
    places: slice::Iter<'a, u32>,
    chunk: Option<&'a Chunk>,
    /// Bytes of `chunk` that are still to come.
    rest: usize,
    hasher: blake3::Hasher,
    fits: bool,
}

impl<'a> Comparison<'a> {
    /// With the chunks at these places of the bundle, one after the other.
    pub(crate) fn new(bundle: &'a Bundle, places: &'a [u32]) -> Self {
        let (places, hasher) = (places.iter(), blake3::Hasher::new());
        Self { bundle, places, chunk: None, rest: 0, hasher, fits: true }
    }

    /// Takes what comes next.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while self.fits && !bytes.is_empty() {
            if self.rest == 0 {
                self.chunk =
                    self.places.next().and_then(|place| self.bundle.chunks.get(*place as usize));
                self.rest = self.chunk.map_or(0, |chunk| chunk.size as usize);
                self.fits = self.rest > 0;
            }
            let (now, later) = bytes.split_at(self.rest.min(bytes.len()));
            self.hasher.update(now);
            self.rest -= now.len();
            bytes = later;
            if self.rest == 0 {
                let found = ChunkId::from_bytes(*self.hasher.finalize().as_bytes());
                self.fits &= self.chunk.is_some_and(|chunk| chunk.id == found);
                self.hasher.reset();
            }
        }
    }

    /// Whether all came, and nothing else.
    pub(crate) fn fits(mut self) -> bool {
        self.fits && self.rest == 0 && self.places.next().is_none()
    }
}

/// Whether the file's content is that of these chunks.
pub(crate) fn is_content(path: &Path, bundle: &Bundle, places: &[u32]) -> io::Result<bool> {
    let (mut file, mut block) = (File::open(path)?, vec![0; BLOCK_BYTES]);
    let mut comparison = Comparison::new(bundle, places);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(comparison.fits()),
            count => comparison.update(&block[..count]),
        }
        if !comparison.fits {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunking::chunk_id;
    use refit_names::{ByteSize, Digest};

    fn fits(bytes: &[u8], places: &[u32]) -> bool {
        let chunk = |content: &[u8]| Chunk {
            id: chunk_id(content),
            offset: 0,
            stored: 1,
            size: content.len() as u32,
        };
        let bundle = Bundle {
            target: "packs/app/2/bundle".parse().unwrap(),
            size: ByteSize(1),
            digest: Digest::from_bytes([0; 32]),
            chunks: vec![chunk(b"one"), chunk(b"second")],
            deltas: Vec::new(),
        };
        // However the bytes come.
        let outcomes: Vec<bool> = [1, 2, 4, 100]
            .into_iter()
            .map(|length| {
                let mut comparison = Comparison::new(&bundle, places);
                bytes.chunks(length).for_each(|part| comparison.update(part));
                comparison.fits()
            })
            .collect();
        assert!(outcomes.iter().all(|fits| *fits == outcomes[0]), "{outcomes:?}");
        outcomes[0]
    }

    #[test]
    fn only_all_chunks_in_their_order_and_nothing_else_fit() {
        assert!(fits(b"onesecond", &[0, 1]));
        assert!(fits(b"secondsecondone", &[1, 1, 0]));
        assert!(fits(b"", &[]));
        for (bytes, places) in [
            (b"onesecone".as_slice(), [0, 1].as_slice()),
            (b"onesecond", &[1, 0]),
            (b"onesecond", &[0]),
            (b"onesecond", &[0, 7]),
            (b"onesec", &[0, 1]),
            (b"one", &[0, 1]),
            (b"", &[0]),
            (b"x", &[]),
        ] {
            assert!(!fits(bytes, places), "{bytes:?} {places:?}");
        }
    }
}
