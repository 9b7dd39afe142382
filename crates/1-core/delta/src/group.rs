//! A group: the deltas of several pieces, coded one after the other by one model that remembers.
//!
//! ```text
//! length of the first part (u32 LE)   range coded: per piece the operations and what changed in the kept bytes
//! one zstd frame: all inserted bytes
//! ```

use crate::{
    DeltaError, Op,
    matching::common,
    model::{Model, Number, Trail},
    range::{Coder, Decoder, Encoder},
};
use std::io::{self, Read, Write};

/// Kept bytes that share one "nothing changed here": a cache line, some words.
const BLOCK_BYTES: usize = 64;
const WORD_BYTES: usize = 4;
/// Inserted bytes are a small part; the best that zstd has is affordable.
const INSERTED_LEVEL: i32 = 19;
/// A frame that wants more memory than this to be expanded is refused.
const WINDOW_LOG_MAX: u32 = 23;
/// New content is handed on in blocks of this size.
const FLUSH_BYTES: usize = 64 << 10;
/// The kind of byte at the ends of a kept piece, where no whole word is.
const EDGE: usize = 4;

/// Codes pieces.
pub struct GroupWriter {
    model: Model,
    coder: Encoder,
    inserted: Vec<u8>,
}

impl Default for GroupWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl GroupWriter {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self { model: Model::new(), coder: Encoder::new(), inserted: Vec::new() }
    }

    /// About how many bytes the group has so far, inserted ones as they are.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.coder.len() + self.inserted.len()
    }

    /// Appends the piece that `ops` make of `old`.
    pub fn add(&mut self, old: &[u8], new: &[u8], ops: &[Op]) {
        let (mut at, mut follows) = (0, 0);
        for op in ops {
            self.number(Number::Insert, op.insert as u64);
            self.number(Number::Copy, op.copy as u64);
            self.inserted.extend_from_slice(&new[at..at + op.insert]);
            at += op.insert;
            if op.copy == 0 {
                continue;
            }
            self.number(Number::Seek, fold(op.from as i64 - follows));
            follows = (op.from + op.copy) as i64;
            let (old, new) = (&old[op.from..op.from + op.copy], &new[at..at + op.copy]);
            at += op.copy;
            let phase = phase_of(old, new);
            self.number(Number::Phase, phase as u64);
            // What was coded is what stands there already: nobody wants it.
            let taken = kept(&mut self.model, &mut self.coder, (old, new), phase, &mut |_| Ok(()));
            debug_assert!(taken.is_ok());
        }
    }

    fn number(&mut self, kind: Number, value: u64) {
        self.model.number(&mut self.coder, kind, value);
    }

    /// The group's bytes.
    ///
    /// # Errors
    /// When the compressor has no memory.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        let coded = self.coder.finish();
        let inserted = zstd::bulk::compress(&self.inserted, INSERTED_LEVEL)?;
        let length = u32::try_from(coded.len()).map_err(io::Error::other)?;
        Ok([&length.to_le_bytes(), coded.as_slice(), &inserted].concat())
    }
}

/// Makes the new content of pieces, in the order in which they were added.
pub struct GroupReader<'a> {
    model: Model,
    coder: Decoder<'a>,
    inserted: Box<dyn Read + Send + 'a>,
    out: Vec<u8>,
}

impl<'a> GroupReader<'a> {
    /// Opens a group.
    ///
    /// # Errors
    /// [`DeltaError`] when it is cut.
    pub fn new(group: &'a [u8]) -> Result<Self, DeltaError> {
        let cut = || DeltaError::unsound("group", "a length and as many bytes", group.len());
        let (length, rest) = group.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (coded, inserted) = rest.split_at_checked(length).ok_or_else(cut)?;
        let expand = || {
            let mut expand = zstd::stream::read::Decoder::with_buffer(inserted)?;
            expand.window_log_max(WINDOW_LOG_MAX)?;
            Ok(expand.single_frame())
        };
        let inserted =
            expand().map_err(|source| DeltaError::Damaged { what: "inserted bytes", source })?;
        Ok(Self {
            model: Model::new(),
            coder: Decoder::new(coded),
            inserted: Box::new(inserted),
            out: Vec::new(),
        })
    }

    /// Makes the next piece, `size` bytes, from `old` and hands it on.
    ///
    /// Shape: whether the bytes are right is for the caller's digest to say; a damaged group or another `old` gives other bytes or an error.
    ///
    /// # Errors
    /// [`DeltaError`] when an operation leaves `old` or the piece, or when `to` refuses.
    pub fn piece(&mut self, old: &[u8], size: u64, to: &mut dyn Write) -> Result<(), DeltaError> {
        let (mut rest, mut follows) = (size, 0_i64);
        while rest > 0 {
            let insert = self.number(Number::Insert);
            let copy = self.number(Number::Copy);
            let length = insert.saturating_add(copy);
            if length == 0 || length > rest {
                return Err(DeltaError::unsound("operation", format!("1 to {rest} bytes"), length));
            }
            rest -= length;
            self.insert(insert, to)?;
            if copy == 0 {
                continue;
            }
            let from = follows.saturating_add(unfold(self.number(Number::Seek)));
            let part = usize::try_from(from)
                .ok()
                .zip(usize::try_from(copy).ok())
                .and_then(|(from, copy)| old.get(from..)?.get(..copy))
                .ok_or_else(|| {
                    let expected = format!("a part of {} old bytes", old.len());
                    DeltaError::unsound("kept part", expected, format!("{copy} from {from}"))
                })?;
            follows = from.saturating_add_unsigned(copy);
            let phase = usize::try_from(self.number(Number::Phase)).unwrap_or(usize::MAX);
            if phase >= WORD_BYTES {
                return Err(DeltaError::unsound("phase", "0 to 3", phase));
            }
            let out = &mut self.out;
            out.clear();
            kept(&mut self.model, &mut self.coder, (part, part), phase, &mut |block| {
                out.extend_from_slice(block);
                if out.len() < FLUSH_BYTES {
                    return Ok(());
                }
                let written = to.write_all(out);
                out.clear();
                written
            })
            .and_then(|()| to.write_all(out))
            .map_err(|source| DeltaError::Write { source })?;
        }
        Ok(())
    }

    fn number(&mut self, kind: Number) -> u64 {
        self.model.number(&mut self.coder, kind, 0)
    }

    fn insert(&mut self, count: u64, to: &mut dyn Write) -> Result<(), DeltaError> {
        let mut rest = count;
        while rest > 0 {
            let length = usize::try_from(rest).unwrap_or(usize::MAX).min(FLUSH_BYTES);
            self.out.resize(length, 0);
            self.inserted
                .read_exact(&mut self.out)
                .map_err(|source| DeltaError::Damaged { what: "inserted bytes", source })?;
            to.write_all(&self.out).map_err(|source| DeltaError::Write { source })?;
            rest -= length as u64;
        }
        Ok(())
    }
}

/// Codes a kept piece block by block and gives its new bytes to `take`.
///
/// Shape: `old` and `new` are equally long; a decoder, which does not know `new` yet, passes `old` twice.
fn kept<C: Coder>(
    model: &mut Model,
    coder: &mut C,
    (old, new): (&[u8], &[u8]),
    phase: usize,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut trail = Trail::default();
    let mut block = [0; BLOCK_BYTES];
    let mut at = phase.min(old.len());
    for place in 0..at {
        block[place] = edge(model, coder, old[place], new[place]);
    }
    take(&block[..at])?;
    while at < old.len() {
        let end = (at + BLOCK_BYTES).min(old.len());
        let (old, new) = (&old[at..end], &new[at..end]);
        at = end;
        if model.block_kept(coder, &mut trail, old == new) {
            take(old)?;
            continue;
        }
        let words = old.len() / WORD_BYTES * WORD_BYTES;
        model.look_ahead(&trail, old.chunks_exact(WORD_BYTES).map(|word| word_at(word, 0)));
        for place in (0..words).step_by(WORD_BYTES) {
            let word = model.word(coder, &mut trail, word_at(old, place), word_at(new, place));
            block[place..place + WORD_BYTES].copy_from_slice(&word.to_le_bytes());
        }
        for place in words..old.len() {
            block[place] = edge(model, coder, old[place], new[place]);
        }
        take(&block[..old.len()])?;
    }
    Ok(())
}

fn edge<C: Coder>(model: &mut Model, coder: &mut C, old: u8, new: u8) -> u8 {
    old.wrapping_add(model.byte(coder, EDGE, new.wrapping_sub(old)))
}

fn word_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; WORD_BYTES];
    word.copy_from_slice(&bytes[at..at + WORD_BYTES]);
    u32::from_le_bytes(word)
}

/// Where words begin: most changes start there.
fn phase_of(old: &[u8], new: &[u8]) -> usize {
    let (mut starts, mut at) = ([0_usize; WORD_BYTES], 0);
    while at < old.len() {
        at += common(&old[at..], &new[at..]);
        starts[at % WORD_BYTES] += usize::from(at < old.len());
        at += 1;
    }
    let most = starts.into_iter().max().unwrap_or_default();
    starts.iter().position(|count| *count == most).unwrap_or_default()
}

/// Distances both ways as numbers from nought: 0, -1, 1, -2, …
const fn fold(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unfold(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}
