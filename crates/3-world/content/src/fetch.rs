//! Bringing everything that this host lacks into the cache: the cheapest way per file.
//!
//! In this order: the file is there already; it is made from an older file and a delta, if that is fewer bytes than its chunks; chunks
//! that some local file holds; the rest of the chunks, neighbours together.

use crate::{
    ContentError, Origin, Realise,
    apply::{self, Chosen},
    bring::Bringer,
    cache::{self, Cache},
    pace::Pace,
    seeds, tree,
};
use refit_names::{BuildId, ByteSize, ChunkId, Digest, TreePath};
use refit_packs::record::{Chunk, TreeEntry, TreeNode};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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

/// How a fetch is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchOptions<'a> {
    /// The builds whose trees stand among the seeds: deltas from these are of use.
    pub from: &'a [BuildId],
    /// Bytes per second that this host may take, together with whoever shares the same [`Pace`].
    pub pace: Option<&'a Pace>,
    /// Bytes that may come in this call; more are refused before any of them comes.
    pub bytes_max: Option<ByteSize>,
    /// What a server may do before it is given up.
    pub patience: Patience,
}

/// What a server may do before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest silence.
    pub silence: Duration,
    /// Over how long the rate is taken.
    pub window: Duration,
    /// Fewer bytes in a window mean that the transfer would never end.
    pub window_bytes_min: u64,
    /// First pause between tries; doubled each time.
    pub pause: Duration,
    /// Tries in a row that bring nothing new; anything that arrives starts the count again.
    pub tries_max: u32,
}

impl Default for Patience {
    /// 30 s; 1 KiB/s, a tenth of the slowest line that anybody has; 5 tries within 6 seconds: longer outages are the agent's to wait for.
    fn default() -> Self {
        let seconds = Duration::from_secs(30);
        Self {
            silence: seconds,
            window: seconds,
            window_bytes_min: 30 << 10,
            pause: Duration::from_millis(200),
            tries_max: 5,
        }
    }
}

/// What a fetch did.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchReport {
    /// Bytes.
    pub fetched: Fetched,
    /// Files that were made from an older file and a delta.
    pub made: u64,
    /// Why deltas were not used although there are some: a damaged one, another old file. Each is a sentence.
    pub fell_back: Vec<String>,
}

/// Brings every chunk that this host lacks into the cache, verified. Called again after a failure it goes on where it stopped.
///
/// # Errors
/// [`ContentError::Unreachable`] and its transient kin after some tries; refusals and wrong content at once.
pub async fn fetch(origin: &Origin, realise: &Realise<'_>) -> Result<Fetched, ContentError> {
    Ok(fetch_with(origin, realise, &FetchOptions::default()).await?.fetched)
}

/// As [`fetch`], with deltas, a rate limit and other patience.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_with(
    origin: &Origin,
    realise: &Realise<'_>,
    options: &FetchOptions<'_>,
) -> Result<FetchReport, ContentError> {
    tree::check_entries(realise.entries, realise.bundle)?;
    let mut report = FetchReport::default();
    let cache = Cache::open(realise.cache, realise.bundle)?;
    let mut bring = Bringer::new(origin, realise, options, cache)?;
    let mut wanted = wanted(realise, &bring.cache);
    let chosen = choose(&mut bring, options, &mut wanted, &mut report).await?;

    let mut missing = BTreeSet::new();
    for (path, file) in &wanted {
        if chosen.as_ref().is_some_and(|chosen| chosen.covers(path)) {
            continue;
        }
        if seeds::has_whole(realise, file.entry, file.size, file.chunks) {
            bring.state.reused.0 += file.size.0;
        } else {
            missing.extend(bring.cache.absent(realise.bundle, file.chunks));
        }
        tokio::task::yield_now().await;
    }
    // Who published the deltas had both builds before him: what they leave over is nowhere in the old one.
    if chosen.is_none() {
        bring.harvest(&mut missing).await?;
        // Only deltas that fail would ask for it again.
        wanted.clear();
    }
    if let Some(chosen) = &chosen {
        missing.extend(bring.cache.absent(realise.bundle, &chosen.chunks()));
    }
    bring.all(&mut missing).await?;
    if let Some(chosen) = chosen {
        let outcome = apply::apply(realise, &chosen, &wanted, &bring.cache).await?;
        report.made += outcome.made;
        for (path, why) in &outcome.failed {
            tracing::warn!(file = %path, "delta is not used: {why}");
        }
        if let Some((path, why)) = outcome.failed.first() {
            let others = outcome.failed.len() - 1;
            report
                .fell_back
                .push(format!("`{path}` and {others} more files come as chunks: {why}"));
        }
        for (path, _) in &outcome.failed {
            if let Some(file) = wanted.get(path)
                && !seeds::has_whole(realise, file.entry, file.size, file.chunks)
            {
                missing.extend(bring.cache.absent(realise.bundle, file.chunks));
            }
        }
        bring.harvest(&mut missing).await?;
        bring.all(&mut missing).await?;
    }
    report.fetched = bring.state;
    Ok(report)
}

/// A file that is neither made nor complete in the cache.
pub(crate) struct Wanted<'a> {
    pub(crate) entry: &'a TreeEntry,
    pub(crate) size: ByteSize,
    pub(crate) digest: Digest,
    pub(crate) chunks: &'a [u32],
}

fn wanted<'a>(realise: &'a Realise<'_>, cache: &Cache) -> BTreeMap<&'a TreePath, Wanted<'a>> {
    let made = cache::made_folder(realise.cache, realise.bundle);
    let mut wanted = BTreeMap::new();
    for entry in realise.entries {
        let TreeNode::File { size, digest, chunks, .. } = &entry.node else { continue };
        let is_whole = cache.absent(realise.bundle, chunks).next().is_none();
        let is_made =
            || made.join(digest.to_hex()).metadata().is_ok_and(|found| found.len() == size.0);
        if !is_whole && !is_made() {
            wanted.insert(&entry.path, Wanted { entry, size: *size, digest: *digest, chunks });
        }
    }
    wanted
}

/// The delta groups that are cheaper than the chunks of the files they make, if any set is for a build that is here.
async fn choose<'a>(
    bring: &mut Bringer<'_>,
    options: &FetchOptions<'_>,
    wanted: &mut BTreeMap<&'a TreePath, Wanted<'a>>,
    report: &mut FetchReport,
) -> Result<Option<Chosen>, ContentError> {
    let realise = bring.realise;
    let set = options
        .from
        .iter()
        .find_map(|from| realise.bundle.deltas.iter().find(|set| set.from == *from));
    let Some(set) = set.filter(|_| !wanted.is_empty() && !realise.seeds.is_empty()) else {
        return Ok(None);
    };
    let mut missing: BTreeSet<ChunkId> = bring.cache.absent(realise.bundle, &set.index).collect();
    bring.all(&mut missing).await?;
    let index = match apply::read_index(realise, set, &bring.cache) {
        Ok(index) => index,
        Err(why) => {
            tracing::warn!(from = %set.from, "deltas are not used: {why}");
            report.fell_back.push(format!("no delta from {} is used: {why}", set.from));
            return Ok(None);
        }
    };
    let moved = apply::move_files(realise, &index, wanted)?;
    bring.state.reused.0 += moved.0;
    let (chosen, unfit) = Chosen::new(realise, index, wanted, &bring.cache);
    if let Some(why) = unfit {
        tracing::warn!(from = %set.from, "some deltas are not used: {why}");
        report.fell_back.push(why);
    }
    Ok(Some(chosen))
}

/// The chunks of `missing`, with their places, in the order in which they stand in the bundle.
pub(crate) fn lacking<'a>(
    realise: &'a Realise<'_>,
    missing: &'a BTreeSet<ChunkId>,
) -> impl Iterator<Item = (u32, Chunk)> + 'a {
    let chunks = (0..).zip(realise.bundle.chunks.iter().copied());
    chunks.filter(|(_, chunk)| missing.contains(&chunk.id))
}
