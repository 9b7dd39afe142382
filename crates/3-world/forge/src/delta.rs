//! Deltas of a new build against an older one: which old file belongs to which new one, what is smallest, and the set's index.

mod make;
mod old;
mod pairing;

pub use old::OldBuild;

use crate::{ForgeError, tree::BundleWriter};
use make::{Job, Made};
use pairing::{Kin, Pair};
use refit_names::ByteSize;
use refit_packs::record::{
    Chunk, DeltaSet, TreeEntry,
    delta::{DELTA_FORMAT, DeltaGroup, DeltaIndex, Moved},
};
use std::{
    path::Path,
    sync::{Mutex, mpsc},
};

/// Builders have two processors at least; more threads would only hold more memory.
const WORKERS: usize = 2;
/// New content of one job: what a host must decode to come to the last file of a group.
const JOB_BYTES: u64 = 16 << 20;
/// The index is read by every host that updates.
const INDEX_LEVEL: i32 = 19;

/// Appends the deltas that make `entries`, whose files lie below `root`, of the files of `old`.
pub(crate) fn append(
    old: &OldBuild,
    root: &Path,
    entries: &[TreeEntry],
    bundle: &mut BundleWriter<'_>,
) -> Result<DeltaSet, ForgeError> {
    let start = bundle.length();
    let pairs = pairing::pairs(old, root, entries)?;
    let mut index = DeltaIndex { format: DELTA_FORMAT.to_owned(), ..DeltaIndex::default() };
    let mut changed = Vec::new();
    for pair in pairs {
        match pair.kin {
            Kin::Moved => index.moved.push(Moved { path: pair.path, old: pair.old.path }),
            Kin::Changed => changed.push(pair),
        }
    }
    let jobs = jobs(changed, bundle.chunks());
    in_parallel(&jobs, old.root(), root, |made| {
        for group in made {
            let chunks = bundle.add_parts(&group.bytes)?;
            index.groups.push(DeltaGroup { method: group.method, chunks, pieces: group.pieces });
        }
        Ok(())
    })?;
    let failed = |error: std::io::Error| ForgeError::write(bundle.path())(error);
    let text = serde_json::to_vec(&index).map_err(|error| failed(error.into()))?;
    let text = zstd::bulk::compress(&text, INDEX_LEVEL).map_err(failed)?;
    let index = bundle.add_parts(&text)?;
    Ok(DeltaSet { from: old.build().clone(), index, stored: ByteSize(bundle.length() - start) })
}

/// Neighbours together: they have most in common.
fn jobs(pairs: Vec<Pair>, chunks: &[Chunk]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut bytes = 0;
    for pair in pairs {
        let as_chunks = pair
            .chunks
            .iter()
            .filter_map(|place| chunks.get(*place as usize))
            .map(|chunk| u64::from(chunk.stored))
            .sum();
        if jobs.is_empty() || bytes + pair.size > JOB_BYTES {
            (jobs, bytes) = (
                {
                    jobs.push(Job::default());
                    jobs
                },
                0,
            );
        }
        bytes += pair.size;
        if let Some(job) = jobs.last_mut() {
            job.files.push((pair, as_chunks));
        }
    }
    jobs
}

/// Works on jobs side by side and takes the outcomes in their order, so that the same input gives the same bytes.
fn in_parallel(
    jobs: &[Job],
    old: &Path,
    new: &Path,
    mut take: impl FnMut(Vec<Made>) -> Result<(), ForgeError>,
) -> Result<(), ForgeError> {
    let queue = Mutex::new(jobs.iter().enumerate());
    std::thread::scope(|scope| {
        // One outcome may wait per worker, no more: that bounds the memory.
        let (send, receive) = mpsc::sync_channel(WORKERS);
        for _ in 0..WORKERS {
            let (send, queue) = (send.clone(), &queue);
            scope.spawn(move || {
                let mut maker = make::Maker::new(old, new);
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((place, job)) = next else { return };
                    if send.send((place, maker.run(job))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = std::collections::BTreeMap::new();
        let mut next = 0;
        for (place, made) in receive {
            early.insert(place, made?);
            while let Some(made) = early.remove(&next) {
                take(made)?;
                next += 1;
            }
        }
        Ok(())
    })
}
