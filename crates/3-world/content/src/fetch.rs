//! Bringing every chunk that this host lacks into the cache.

use crate::{
    ContentError, Origin, Realise, cache::Cache, chunking, ranges, ranges::Range, seeds, tree,
};
use bytes::{Buf, BytesMut};
use refit_names::{ByteSize, ChunkId};
use refit_packs::record::{Chunk, TreeNode};
use std::{collections::BTreeSet, time::Duration};

/// Tries in a row that bring nothing new; any chunk that arrives starts the count again.
const TRIES_MAX: u32 = 5;
/// First pause between tries; doubled each time, 6 seconds in all. Longer outages are the agent's to wait for.
const PAUSE: Duration = Duration::from_millis(200);

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fetched {
    /// Content that this host had already, expanded.
    pub reused: ByteSize,
    /// Bytes that came from the origin in this call, compressed.
    pub fetched: ByteSize,
    /// Bytes that had to come when the call began.
    pub to_fetch: ByteSize,
}

/// Brings every chunk that this host lacks into the cache, verified. Called again after a failure it goes on where it stopped.
///
/// # Errors
/// [`ContentError::Unreachable`] and its transient kin after some tries; refusals and wrong content at once.
pub async fn fetch(origin: &Origin, realise: &Realise<'_>) -> Result<Fetched, ContentError> {
    tree::check_entries(realise.entries, realise.bundle)?;
    let mut cache = Cache::open(realise.cache, realise.bundle)?;
    let mut state = Fetched::default();
    let mut missing = missing_chunks(realise, &cache, &mut state).await;
    if !missing.is_empty() && !realise.seeds.is_empty() {
        let harvested = seeds::harvest(realise, &mut missing, &mut cache).await?;
        state.reused.0 += harvested.0;
    }
    state.to_fetch =
        ByteSize(lacking(realise, &missing).map(|chunk| u64::from(chunk.stored)).sum());
    (realise.progress)(state);

    let mut tries = 0;
    while !missing.is_empty() {
        let before = missing.len();
        let result = pass(origin, realise, &mut missing, &mut cache, &mut state).await;
        cache.sync()?;
        let Err(error) = result else { continue };
        tries = if missing.len() < before { 1 } else { tries + 1 };
        if !error.is_transient() || tries >= TRIES_MAX {
            return Err(error);
        }
        tracing::info!(error = refit_names::chain(&error), tries, "fetch goes on after a pause");
        tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
    }
    cache.sync()?;
    Ok(state)
}

/// Chunks of files that no seed has whole and that the cache lacks.
async fn missing_chunks(
    realise: &Realise<'_>,
    cache: &Cache,
    state: &mut Fetched,
) -> BTreeSet<ChunkId> {
    let mut missing = BTreeSet::new();
    for entry in realise.entries {
        let TreeNode::File { size, digest, chunks, .. } = &entry.node else { continue };
        let ids = chunks
            .iter()
            .filter_map(|place| realise.bundle.chunks.get(*place as usize))
            .map(|chunk| chunk.id);
        let absent: Vec<ChunkId> = ids.filter(|id| !cache.has(id)).collect();
        if absent.is_empty() {
            continue;
        }
        if seeds::has_whole(realise.seeds, entry, *size, digest) {
            state.reused.0 += size.0;
        } else {
            missing.extend(absent);
        }
        tokio::task::yield_now().await;
    }
    missing
}

/// The chunks of `missing` in the order in which they stand in the bundle.
fn lacking<'a>(
    realise: &'a Realise<'_>,
    missing: &'a BTreeSet<ChunkId>,
) -> impl Iterator<Item = Chunk> + 'a {
    realise.bundle.chunks.iter().filter(|chunk| missing.contains(&chunk.id)).copied()
}

/// Asks once for everything that is missing.
async fn pass(
    origin: &Origin,
    realise: &Realise<'_>,
    missing: &mut BTreeSet<ChunkId>,
    cache: &mut Cache,
    state: &mut Fetched,
) -> Result<(), ContentError> {
    let ranges = ranges::coalesce(lacking(realise, missing));
    for range in &ranges {
        receive(origin, realise, range, missing, cache, state).await?;
    }
    Ok(())
}

async fn receive(
    origin: &Origin,
    realise: &Realise<'_>,
    range: &Range,
    missing: &mut BTreeSet<ChunkId>,
    cache: &mut Cache,
    state: &mut Fetched,
) -> Result<(), ContentError> {
    let mut incoming = origin.open(range, realise.bundle.size.0).await?;
    let expected = range.end - range.start;
    let mut chunks = range.chunks.iter().peekable();
    let (mut held, mut at, mut received) = (BytesMut::new(), range.start, 0);
    while let Some(part) = incoming.next().await? {
        received += part.len() as u64;
        if received > expected {
            return Err(ContentError::TooLong { url: origin.url.to_string(), expected });
        }
        held.extend_from_slice(&part);
        while let Some(chunk) = chunks.peek() {
            let gap = usize::try_from(chunk.offset - at).unwrap_or(usize::MAX).min(held.len());
            held.advance(gap);
            at += gap as u64;
            let stored = chunk.stored as usize;
            if at < chunk.offset || held.len() < stored {
                break;
            }
            accept(origin, chunk, &held[..stored], cache)?;
            held.advance(stored);
            at += stored as u64;
            missing.remove(&chunk.id);
            state.fetched.0 += stored as u64;
            (realise.progress)(*state);
            chunks.next();
        }
    }
    if received < expected {
        return Err(ContentError::CutShort {
            url: origin.url.to_string(),
            expected,
            found: received,
        });
    }
    Ok(())
}

/// Compares a frame with its name and keeps it.
fn accept(
    origin: &Origin,
    chunk: &Chunk,
    frame: &[u8],
    cache: &mut Cache,
) -> Result<(), ContentError> {
    let damaged = |found: String| ContentError::ChunkDamaged {
        url: origin.url.to_string(),
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
    cache.add_frame(chunk, frame)
}
