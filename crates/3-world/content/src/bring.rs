//! Chunks from the origin into the cache: ranges, tries, pauses.

use crate::{
    ContentError, Origin, Realise,
    cache::Cache,
    chunking,
    fetch::{FetchOptions, Fetched, lacking},
    ranges::{self, Range},
    seeds,
    tail::Tail,
};
use bytes::{Buf, BytesMut};
use refit_names::{ByteSize, ChunkId};
use refit_packs::record::Chunk;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// A server that asks for more is asked again all the same: whoever wrote a day into `Retry-After` meant another client.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Bringer<'a> {
    origin: &'a Origin,
    pub(crate) realise: &'a Realise<'a>,
    options: &'a FetchOptions<'a>,
    pub(crate) cache: Cache,
    tail: Tail,
    /// What arrived behind the last whole chunk: where in the bundle, and the bytes.
    held_at: u64,
    held: BytesMut,
    /// Bytes that arrived, of whole chunks or not.
    arrived: u64,
    pub(crate) state: Fetched,
}

impl<'a> Bringer<'a> {
    pub(crate) fn new(
        origin: &'a Origin,
        realise: &'a Realise<'a>,
        options: &'a FetchOptions<'a>,
        cache: Cache,
    ) -> Result<Self, ContentError> {
        let (tail, (held_at, held)) = Tail::open(realise.cache, realise.bundle)?;
        let (held, state) = (BytesMut::from(held.as_slice()), Fetched::default());
        Ok(Self { origin, realise, options, cache, tail, held_at, held, arrived: 0, state })
    }

    /// Takes from local files what they hold of `missing`.
    pub(crate) async fn harvest(
        &mut self,
        missing: &mut BTreeSet<ChunkId>,
    ) -> Result<(), ContentError> {
        if missing.is_empty() || self.realise.seeds.is_empty() {
            return Ok(());
        }
        let harvested = seeds::harvest(self.realise, missing, &mut self.cache).await?;
        self.state.reused.0 += harvested.0;
        Ok(())
    }

    /// Brings all of `missing`; tries again after a pause what may work then.
    pub(crate) async fn all(
        &mut self,
        missing: &mut BTreeSet<ChunkId>,
    ) -> Result<(), ContentError> {
        let stored = lacking(self.realise, missing).map(|(_, chunk)| u64::from(chunk.stored));
        self.state.to_fetch = ByteSize(self.state.fetched.0 + stored.sum::<u64>());
        (self.realise.progress)(self.state);
        if let Some(limit) = self.options.bytes_max.filter(|max| self.state.to_fetch > *max) {
            return Err(ContentError::OverQuota { needed: self.state.to_fetch, limit });
        }
        let patience = self.options.patience;
        let mut tries = 0;
        while !missing.is_empty() {
            let before = self.arrived;
            let result = self.pass(missing).await;
            self.cache.sync()?;
            let Err(error) = result else { continue };
            tries = if self.arrived > before { 1 } else { tries + 1 };
            if !error.is_transient() || tries >= patience.tries_max {
                return Err(error);
            }
            let pause = match error.retry_after() {
                Some(asked) => asked.min(RETRY_AFTER_MAX),
                None => patience.pause * 2_u32.saturating_pow(tries - 1),
            };
            let (error, pause_ms) = (refit_names::chain(&error), pause.as_millis());
            tracing::info!(error, tries, pause_ms, "fetch goes on after a pause");
            tokio::time::sleep(pause).await;
        }
        self.cache.sync()
    }

    /// Asks once for everything that is missing.
    async fn pass(&mut self, missing: &mut BTreeSet<ChunkId>) -> Result<(), ContentError> {
        let held = (!self.held.is_empty()).then_some(self.held_at);
        let ranges = ranges::coalesce(lacking(self.realise, missing), held);
        for range in &ranges {
            self.receive(range, missing).await?;
        }
        Ok(())
    }

    /// The chunk of a range with this number in it.
    fn chunk(&self, range: &Range, number: usize) -> Option<Chunk> {
        let place = range.places.get(number)?;
        self.realise.bundle.chunks.get(*place as usize).copied()
    }

    async fn receive(
        &mut self,
        range: &Range,
        missing: &mut BTreeSet<ChunkId>,
    ) -> Result<(), ContentError> {
        let first = self.chunk(range, 0);
        if !first.is_some_and(|first| {
            self.held_at == first.offset && self.held.len() < first.stored as usize
        }) {
            self.held.clear();
            self.held_at = range.start;
        }
        let mut resumed = !self.held.is_empty();
        let start = range.start + self.held.len() as u64;
        let (expected, mut received) = (range.end - start, 0);
        let patience = &self.options.patience;
        let mut incoming =
            self.origin.open(start..range.end, self.realise.bundle.size.0, patience).await?;
        let mut next = 0;
        let mut watch = Watch::new();
        while let Some(part) = incoming.next(patience.silence).await? {
            received += part.len() as u64;
            if received > expected {
                return Err(ContentError::TooLong { url: self.origin.url.to_string(), expected });
            }
            self.held.extend_from_slice(&part);
            self.arrived += part.len() as u64;
            while let Some(chunk) = self.chunk(range, next) {
                let gap = usize::try_from(chunk.offset - self.held_at).unwrap_or(usize::MAX);
                let gap = gap.min(self.held.len());
                self.held.advance(gap);
                self.held_at += gap as u64;
                let stored = chunk.stored as usize;
                if self.held_at < chunk.offset || self.held.len() < stored {
                    break;
                }
                let frame = self.held.split_to(stored);
                self.held_at += stored as u64;
                if let Err(error) = self.accept(&chunk, &frame) {
                    return self.refuse(error, resumed);
                }
                resumed = false;
                missing.remove(&chunk.id);
                self.state.fetched.0 += stored as u64;
                (self.realise.progress)(self.state);
                next += 1;
            }
            if !self.held.is_empty() && next < range.places.len() {
                self.tail.keep(self.held_at, &self.held)?;
            }
            watch.pass(part.len() as u64, self).await?;
        }
        if received < expected {
            let url = self.origin.url.to_string();
            return Err(ContentError::CutShort { url, expected, found: received });
        }
        Ok(())
    }

    /// A chunk whose beginning lay on the disk may be wrong because of that: it is asked for once more, whole.
    fn refuse(&mut self, error: ContentError, resumed: bool) -> Result<(), ContentError> {
        self.tail.clear()?;
        self.held.clear();
        if !resumed {
            return Err(error);
        }
        let error = refit_names::chain(&error);
        tracing::warn!(error, "what was kept of a chunk is damaged: it is fetched again");
        Err(ContentError::TailDamaged { url: self.origin.url.to_string() })
    }

    /// Compares a frame with its name and keeps it.
    fn accept(&mut self, chunk: &Chunk, frame: &[u8]) -> Result<(), ContentError> {
        let damaged = |found: String| ContentError::ChunkDamaged {
            url: self.origin.url.to_string(),
            offset: chunk.offset,
            expected: chunk.id,
            found,
        };
        let content =
            chunking::expand(frame, chunk.size).map_err(|error| damaged(error.to_string()))?;
        let found = chunking::chunk_id(&content);
        if found != chunk.id {
            return Err(damaged(found.to_string()));
        }
        self.cache.add_frame(chunk, frame)
    }
}

/// Whether bytes come fast enough to ever be all; what our own rate limit waits does not count.
struct Watch {
    since: Instant,
    bytes: u64,
}

impl Watch {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }

    async fn pass(&mut self, bytes: u64, bring: &Bringer<'_>) -> Result<(), ContentError> {
        self.bytes += bytes;
        let patience = &bring.options.patience;
        let took = self.since.elapsed();
        if took >= patience.window {
            if self.bytes < patience.window_bytes_min {
                return Err(ContentError::TooSlow {
                    url: bring.origin.url.to_string(),
                    found: self.bytes,
                    expected: patience.window_bytes_min,
                    window: took,
                });
            }
            *self = Self::new();
        }
        if let Some(pace) = bring.options.pace {
            self.since += pace.take(bytes).await;
        }
        Ok(())
    }
}
