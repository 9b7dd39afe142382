//! Which parts of a bundle to ask for: neighbours together, because a request costs more than a few bytes too many.

use refit_packs::record::Chunk;

/// A gap of this size is cheaper to read over than another round trip on a slow line.
const GAP_BYTES_MAX: u64 = 32 << 10;
/// What a broken connection can cost in waiting, not in content: chunks that arrived stay.
const RANGE_BYTES_MAX: u64 = 8 << 20;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Chunks as places in the bundle: a large pack has a hundred thousand of them.
    pub(crate) places: Vec<u32>,
}

/// Joins chunks, which come with their places in the bundle, in the order of their offsets, and do not overlap. The chunk at `held`
/// begins a range of its own: its first bytes are there already.
pub(crate) fn coalesce(
    chunks: impl Iterator<Item = (u32, Chunk)>,
    held: Option<u64>,
) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (place, chunk) in chunks {
        let end = chunk.offset + u64::from(chunk.stored);
        match ranges.last_mut() {
            Some(last)
                if Some(chunk.offset) != held
                    && chunk.offset - last.end <= GAP_BYTES_MAX
                    && end - last.start <= RANGE_BYTES_MAX =>
            {
                last.end = end;
                last.places.push(place);
            }
            _ => ranges.push(Range { start: chunk.offset, end, places: vec![place] }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_names::ChunkId;

    #[test]
    fn neighbours_travel_together_and_strangers_do_not() {
        let chunk = |offset: u64, stored: u32| Chunk {
            id: ChunkId::from_bytes([0; 32]),
            offset,
            stored,
            size: 1,
        };
        let ranges = coalesce(
            (0..).zip([chunk(0, 100), chunk(200, 100), chunk(300 + GAP_BYTES_MAX + 1, 50)]),
            None,
        );
        let spans: Vec<_> =
            ranges.iter().map(|range| (range.start, range.end, range.places.len())).collect();
        assert_eq!(spans, [(0, 300, 2), (301 + GAP_BYTES_MAX, 351 + GAP_BYTES_MAX, 1)]);
        let many = coalesce((0..).zip((0..100).map(|n| chunk(n * 200_000, 200_000))), None);
        assert!(many.iter().all(|range| range.end - range.start <= RANGE_BYTES_MAX));
        assert_eq!(many.iter().map(|range| range.places.len()).sum::<usize>(), 100);
        let held =
            coalesce((0..).zip([chunk(0, 100), chunk(100, 100), chunk(200, 100)]), Some(100));
        assert_eq!(held.iter().map(|range| range.start).collect::<Vec<_>>(), [0, 100]);
    }
}
