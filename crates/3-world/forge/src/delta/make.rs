//! The deltas of some files: for each the method that is smallest, or none.

use super::pairing::Pair;
use crate::ForgeError;
use refit_delta::{GroupWriter, Matcher, NEW_BYTES_MAX, OLD_BYTES_MAX, Op, patch};
use refit_packs::record::delta::{DeltaMethod, DeltaPiece};
use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// A file of which at most this share (in per cent) is new bytes is surely smallest as words.
const SURE_PERCENT: usize = 10;
/// A delta must be this much (in per cent) smaller than the file's chunks: it costs the host more than these.
const WORTH_PERCENT: u64 = 95;
/// A group is closed beyond this: it lies in the memory of whoever applies it.
const GROUP_BYTES: usize = 4 << 20;
/// Files beyond this are cut into smaller pieces, against smaller parts of the old one, to bound the memory of whoever makes them.
const LARGE_BYTES: u64 = 32 << 20;
const LARGE_NEW_BYTES: usize = 4 << 20;
const LARGE_OLD_BYTES: usize = 8 << 20;
/// Where zstd wins, it wins by far at every level; this one is still fast.
const ZSTD_LEVEL: i32 = 12;

/// Files, each with what it costs as chunks.
#[derive(Default)]
pub(super) struct Job {
    pub(super) files: Vec<(Pair, u64)>,
}

/// A group that was made.
pub(super) struct Made {
    pub(super) method: DeltaMethod,
    pub(super) bytes: Vec<u8>,
    pub(super) pieces: Vec<DeltaPiece>,
}

/// Makes deltas; keeps its tables from file to file.
pub(super) struct Maker<'a> {
    old: &'a Path,
    new: &'a Path,
    matcher: Matcher,
}

/// A group that grows.
#[derive(Default)]
struct Words {
    writer: GroupWriter,
    pieces: Vec<DeltaPiece>,
}

/// Pieces that become one zstd frame.
#[derive(Default)]
struct Frames {
    old: Vec<u8>,
    new: Vec<u8>,
    pieces: Vec<DeltaPiece>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(old: &'a Path, new: &'a Path) -> Self {
        Self { old, new, matcher: Matcher::new() }
    }

    /// The groups of a job.
    pub(super) fn run(&mut self, job: &Job) -> Result<Vec<Made>, ForgeError> {
        let (mut made, mut words, mut frames) = (Vec::new(), Words::default(), Frames::default());
        for (pair, as_chunks) in &job.files {
            let worth = as_chunks * WORTH_PERCENT / 100;
            let fits = pair.size <= NEW_BYTES_MAX as u64 && pair.old.size <= OLD_BYTES_MAX as u64;
            if fits {
                self.small(pair, worth, &mut words, &mut frames, &mut made)?;
            } else {
                made.extend(self.large(pair, worth)?);
            }
        }
        words.close(&mut made)?;
        frames.close(&mut made)?;
        Ok(made)
    }

    fn small(
        &mut self,
        pair: &Pair,
        worth: u64,
        words: &mut Words,
        frames: &mut Frames,
        made: &mut Vec<Made>,
    ) -> Result<(), ForgeError> {
        let piece = piece(pair, 0, pair.size, None);
        let (old, new) = self.content(&piece)?;
        let ops = self.matcher.ops(&old, &new);
        let inserted: usize = ops.iter().map(|op| op.insert).sum();
        if inserted * 100 > new.len() * SURE_PERCENT {
            let noise = pair.size * 98 / 100;
            if inserted as u64 > pair.size / 10 * 9 && worth >= noise * WORTH_PERCENT / 100 {
                return Ok(());
            }
            let failed = || ForgeError::write(self.new.join(pair.path.as_str()));
            let as_words = alone(&old, &new, &ops).map_err(failed())?;
            let as_patch = patch::make(&old, &new, ZSTD_LEVEL).map_err(failed())?.len();
            if as_words.min(as_patch) as u64 >= worth {
                return Ok(());
            }
            if as_patch < as_words {
                if frames.is_full(&old, &new) {
                    frames.close(made)?;
                }
                frames.add(old, new, piece);
                return Ok(());
            }
        }
        words.writer.add(&old, &new, &ops);
        words.pieces.push(piece);
        if words.writer.weight() > GROUP_BYTES {
            words.close(made)?;
        }
        Ok(())
    }

    /// A file that does not fit into one piece, in groups of its own; none if they are not worth it.
    fn large(&mut self, pair: &Pair, worth: u64) -> Result<Vec<Made>, ForgeError> {
        let (new_max, old_max) = if pair.size.max(pair.old.size) > LARGE_BYTES {
            (LARGE_NEW_BYTES, LARGE_OLD_BYTES)
        } else {
            (NEW_BYTES_MAX, OLD_BYTES_MAX)
        };
        let (mut made, mut words, mut at, mut closed_at) = (Vec::new(), Words::default(), 0, 0);
        while at < pair.size {
            let size = (pair.size - at).min(new_max as u64);
            let piece = piece(pair, at, size, Some(old_max as u64));
            let (old, new) = self.content(&piece)?;
            let ops = self.matcher.ops(&old, &new);
            words.writer.add(&old, &new, &ops);
            words.pieces.push(piece);
            at += size;
            if words.writer.weight() > GROUP_BYTES || at - closed_at >= super::JOB_BYTES {
                words.close(&mut made)?;
                closed_at = at;
                // Hopeless halfway is hopeless: a disk image of noise is not read to its end.
                if made.iter().map(|group| group.bytes.len() as u64).sum::<u64>() >= worth {
                    return Ok(Vec::new());
                }
            }
        }
        words.close(&mut made)?;
        let bytes: u64 = made.iter().map(|group| group.bytes.len() as u64).sum();
        Ok(if bytes < worth { made } else { Vec::new() })
    }

    fn content(&self, piece: &DeltaPiece) -> Result<(Vec<u8>, Vec<u8>), ForgeError> {
        let old = self.old.join(piece.old_path().as_str());
        let new = self.new.join(piece.path.as_str());
        Ok((part(&old, piece.old_at, piece.old_bytes())?, part(&new, piece.at, piece.size)?))
    }
}

impl Words {
    fn close(&mut self, made: &mut Vec<Made>) -> Result<(), ForgeError> {
        let Self { writer, pieces } = std::mem::take(self);
        if !pieces.is_empty() {
            let bytes = writer.finish().map_err(ForgeError::write(std::env::temp_dir()))?;
            made.push(Made { method: DeltaMethod::Words, bytes, pieces });
        }
        Ok(())
    }
}

impl Frames {
    fn is_full(&self, old: &[u8], new: &[u8]) -> bool {
        self.old.len() + old.len() > OLD_BYTES_MAX || self.new.len() + new.len() > NEW_BYTES_MAX
    }

    fn add(&mut self, old: Vec<u8>, new: Vec<u8>, piece: DeltaPiece) {
        self.old.extend(old);
        self.new.extend(new);
        self.pieces.push(piece);
    }

    fn close(&mut self, made: &mut Vec<Made>) -> Result<(), ForgeError> {
        let Self { old, new, pieces } = std::mem::take(self);
        if !pieces.is_empty() {
            let bytes = patch::make(&old, &new, ZSTD_LEVEL)
                .map_err(ForgeError::write(std::env::temp_dir()))?;
            made.push(Made { method: DeltaMethod::Zstd, bytes, pieces });
        }
        Ok(())
    }
}

fn alone(old: &[u8], new: &[u8], ops: &[Op]) -> std::io::Result<usize> {
    let mut writer = GroupWriter::new();
    writer.add(old, new, ops);
    Ok(writer.finish()?.len())
}

/// The piece at `at`; with `old_max` it refers to that much of the old file around the same place.
fn piece(pair: &Pair, at: u64, size: u64, old_max: Option<u64>) -> DeltaPiece {
    let old_size = pair.old.size;
    let (old_at, old_length) = match old_max.filter(|max| *max < old_size) {
        None => (0, None),
        Some(max) => {
            let middle = at + size / 2;
            (middle.saturating_sub(max / 2).min(old_size - max), Some(max))
        }
    };
    DeltaPiece {
        path: pair.path.clone(),
        at,
        size,
        old: (pair.old.path != pair.path).then(|| pair.old.path.clone()),
        old_size,
        old_digest: pair.old.digest,
        old_at,
        old_length,
    }
}

fn part(path: &Path, at: u64, length: u64) -> Result<Vec<u8>, ForgeError> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    File::open(path)
        .and_then(|file| file.read_exact_at(&mut bytes, at))
        .map_err(ForgeError::read(path))?;
    Ok(bytes)
}
